//! A disk for SQLite that forgets what was not synchronized, for tests.
//!
//! [`install`] puts a layer between SQLite and the files of this process. The files themselves are real. A [`Disk`] observes
//! one directory: it records every write, every change of a size, every synchronization and every new or removed name,
//! in their order. At any operation it gives an [`Image`]: what the directory may hold if the power fails there. Each file
//! then has what was synchronized, and any part of what was written later: a sector of 512 bytes is as it was at some
//! moment since, and different sectors are of different moments. Names are durable once the directory is synchronized.
//!
//! A disk may fail. A synchronization that fails *lies*, as it does on Linux: the kernel counts the written pages as clean,
//! so later synchronizations succeed without them, while reads go on to see them. A page is at risk until it is written
//! again. The failure is reported once to each open file.
//!
//! # Why not a crate
//!
//! `sqlite-plugin` generates bindings when it is built, which needs libclang, and `sqlite-vfs` is not maintained. Both
//! replace the whole interface, locks and shared memory included. Here these are SQLite's own, because they are not what
//! is tested. Neither crate passes on that a name is to be synchronized.
//!
//! # Example
//!
//! ```
//! use hotlist_simulated_disk::{Disk, install};
//! use rusqlite::Connection;
//!
//! install();
//! let dir = tempfile::tempdir().unwrap();
//! let disk = Disk::new(dir.path(), 7, &[]);
//! let db = Connection::open(dir.path().join("my.db")).unwrap();
//! db.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE t (x)").unwrap();
//! db.execute_batch("INSERT INTO t VALUES (1)").unwrap();
//!
//! let after = tempfile::tempdir().unwrap();
//! disk.image().write_to(after.path());
//! let db = Connection::open(after.path().join("my.db")).unwrap();
//! assert_eq!(db.query_row("SELECT x FROM t", [], |row| row.get(0)), Ok(1));
//! ```

mod disk;
mod file;
mod image;
mod vfs;

pub use disk::{Disk, Fault, rewritten};
pub use file::WriteFates;
pub use image::{Counts, Image};
pub use vfs::install;
