//! The import of lists.

use std::io::BufRead;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::reader::{CheckedList, Item, RawLines, Reader, cut_off};
use crate::list::Limits;
use crate::list::excerpt::quoted;
use crate::list::name::{ListName, NameError};
use crate::store::embedded::{EmbeddedStore, Import, ImportedList, Options};
use crate::store::{HistoryLimits, Store as _};

/// What to import, and how.
pub struct ImportOptions<'a> {
    /// Selects the lists by the names they have in the export.
    pub is_wanted: &'a dyn Fn(&ListName) -> bool,
    /// The name that a list gets.
    pub new_name: &'a dyn Fn(&ListName) -> Result<ListName, NameError>,
    /// Whether to leave out lists whose names the directory has. Otherwise such a list ends the import.
    pub skips_existing: bool,
    /// The limits on the size of a list.
    pub limits: Limits,
    /// Has the last word once all lists were read. An error ends the import.
    pub approve: &'a dyn Fn() -> anyhow::Result<()>,
}

/// What was imported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportTotals {
    /// The imported lists.
    pub lists: u64,
    /// Their entries.
    pub entries: u64,
    /// Their revisions.
    pub revisions: u64,
    /// The deleted lists whose last revision the directory has now.
    pub deleted_lists: u64,
    /// The lists that the directory had already.
    pub skipped_lists: u64,
    /// The imported lists of which something is missing.
    pub incomplete_lists: u64,
    /// The lists of which the export holds nothing.
    pub lost_lists: u64,
}

/// Something about an import that its user should know.
#[derive(Debug)]
pub enum ImportNote<'a> {
    /// Something is missing of the list.
    Incomplete(&'a ListName, &'a str),
    /// The export holds nothing of the list.
    Lost(&'a ListName, &'a str),
    /// The revisions got higher numbers, because a deleted list of the name had theirs.
    Renumbered {
        /// The list.
        name: &'a ListName,
        /// Its last revision in the export.
        from: u64,
        /// Its last revision now.
        to: u64,
    },
    /// The directory has the list already.
    Skipped(&'a ListName),
    /// Damage that the export names, and that concerns no list in particular. Lists may be missing.
    Damage(&'a str),
}

/// Checks the digest of an export.
///
/// # Errors
///
/// When the export is cut off, was changed or is damaged.
pub fn check(export: &mut dyn BufRead) -> anyhow::Result<()> {
    let mut lines = RawLines::new(export);
    let mut checked = Err(cut_off());
    while lines.advance()? {
        checked = lines.decode_end().map_or_else(|| Err(cut_off()), |end| lines.check_digest(&end));
    }
    checked
}

/// Imports lists into a data directory that no server uses, all or none. `note` is called with what is
/// imported otherwise than it was, and `progress` with the bytes that were read.
///
/// # Errors
///
/// When the export is cut off, was changed or is damaged, when a value in it is not allowed, when the directory has a list
/// already, and when the directory is in use or cannot be written. Nothing was imported then.
pub fn import(
    export: &mut dyn BufRead,
    data: &Path,
    options: &ImportOptions<'_>,
    note: &mut dyn FnMut(ImportNote<'_>),
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<ImportTotals> {
    let mut reader = Reader::new(export, options.limits)?;
    prepare(data)?;
    let mut target = Target { import: Import::begin(data)?, options, totals: ImportTotals::default(), note };
    loop {
        match reader.next()? {
            Item::List(list) => target.add(*list)?,
            Item::Damage(what) => (target.note)(ImportNote::Damage(&what)),
            Item::End => break,
        }
        progress(reader.bytes());
    }
    (options.approve)()?;
    target.import.commit()?;
    Ok(target.totals)
}

/// Creates the directory, brings its format up to date, and empties its log.
fn prepare(data: &Path) -> anyhow::Result<()> {
    // Only a server knows how much history it retains.
    let store = EmbeddedStore::open(data, Options { history: HistoryLimits::UNLIMITED, ..Options::default() })?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("cannot start a runtime")?;
    Ok(runtime.block_on(store.close())?)
}

struct Target<'a> {
    import: Import,
    options: &'a ImportOptions<'a>,
    totals: ImportTotals,
    note: &'a mut dyn FnMut(ImportNote<'_>),
}

impl Target<'_> {
    fn add(&mut self, CheckedList { mut list, wake_up, missing }: CheckedList) -> anyhow::Result<()> {
        let name = list.name.clone();
        if !(self.options.is_wanted)(&name) {
            return Ok(());
        }
        if list.list.revision() == 0 {
            self.totals.lost_lists += 1;
            (self.note)(ImportNote::Lost(&name, missing.as_deref().unwrap_or("it has no revision")));
            return Ok(());
        }
        let renamed = (self.options.new_name)(&name);
        list.name = renamed.with_context(|| format!("cannot rename list {}", quoted(name.as_str())))?;
        let (name, exists, from) = (list.name.clone(), list.list.exists(), list.list.revision());
        let (entries, revisions) = (list.list.count() as u64, list.revisions.len() as u64);
        match self.import.add(list, wake_up)? {
            ImportedList::Added { revision: to } if exists => {
                self.totals.lists += 1;
                self.totals.entries += entries;
                self.totals.revisions += revisions;
                if to != from {
                    (self.note)(ImportNote::Renumbered { name: &name, from, to });
                }
                if let Some(missing) = missing {
                    self.totals.incomplete_lists += 1;
                    (self.note)(ImportNote::Incomplete(&name, &missing));
                }
            }
            ImportedList::Added { .. } => self.totals.deleted_lists += 1,
            // A deleted list that the directory has, or had later, is no conflict.
            ImportedList::Exists if !exists => {}
            ImportedList::Exists => {
                ensure!(
                    self.options.skips_existing,
                    "list {} is in the data directory already; give it another name with --rename or --prefix, or leave \
                     out such lists with --skip-existing",
                    quoted(name.as_str()),
                );
                self.totals.skipped_lists += 1;
                (self.note)(ImportNote::Skipped(&name));
            }
        }
        Ok(())
    }
}
