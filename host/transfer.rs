//! Lists as JSON lines: the export of a data directory, also of what is damaged in it, and the import into another one.
//!
//! An export is for other versions of the program and for other programs, so its form is its own and not that of the stored
//! rows. Each line is an object with one member, whose name is the kind of the line:
//!
//! | line | holds |
//! | --- | --- |
//! | `hotlist-export` | the version of the form, the program and the time; the first line |
//! | `list` | a list without its entries, or a deleted list, which has no binding; what is missing of it, if something is |
//! | `entries` | some of the entries of the list before |
//! | `revision` | a revision of the list before, the oldest first |
//! | `damage` | damage that concerns no list in particular |
//! | `end` | the numbers of lists, entries and revisions, and the SHA-256 of all lines before; the last line |
//!
//! Both commands hold one list with its history in memory at a time. Receipts are not exported: they are of requests to one
//! server, and they expire.

mod export;
mod import;
mod line;
mod reader;
mod revision;
#[cfg(test)]
mod tests;
mod value;

pub use export::{ExportTotals, Finding, export};
pub use import::{ImportNote, ImportOptions, ImportTotals, check, import};
