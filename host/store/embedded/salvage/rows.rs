//! The rows of one list, each taken if it is sound and left out if it is not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::list::List;
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::store::embedded::block::Block;
use crate::store::embedded::record::{self, ListMeta};
use crate::store::embedded::{commit_record, compacted, damage};

/// A revision above this one is a damaged number.
const MAX_REVISION: u64 = 1 << 52;

/// The most texts about damage of one list. Further damage is not described.
const MAX_DAMAGE: usize = 8;

/// The commits in the log, by list, as far as the log can be read.
#[derive(Default)]
pub(super) struct LogFrames {
    by_list: HashMap<String, ListFrames>,
}

/// The commits of one list in the log.
#[derive(Default)]
struct ListFrames {
    /// The number of each commit, and the block that holds it.
    commits: Vec<(u64, Arc<Block>)>,
    /// The highest revision that a sound directory names.
    highest: u64,
}

impl LogFrames {
    /// Reads the log up to the first row that SQLite cannot read.
    pub(super) fn read(db: &Connection) -> Self {
        let mut frames = Self::default();
        let mut read = || -> rusqlite::Result<()> {
            let mut select = db.prepare("SELECT seq, first, directory, commits FROM log ORDER BY seq")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (seq, first): (u64, u64) = (row.get(0)?, row.get(1)?);
                let (directory, commits): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
                frames.add(seq, &directory, &Arc::new(Block::parse(first.max(1), commits)));
            }
            Ok(())
        };
        if let Err(error) = read() {
            tracing::warn!(%error, "the log cannot be read to its end");
        }
        frames
    }

    /// The names of the lists that have commits in the log.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_list.keys().map(String::as_str)
    }

    /// Adds a row. A sound directory names the lists of damaged commits too.
    fn add(&mut self, seq: u64, directory: &[u8], block: &Arc<Block>) {
        let named = record::directory_lists(seq, directory).unwrap_or_default();
        let last = block.last().max((block.first() + named.len() as u64).saturating_sub(1)).min(seq);
        for number in block.first()..=last {
            let entry = usize::try_from(number - block.first()).ok().and_then(|place| named.get(place));
            let frame = block.frame(number);
            let in_frame = || frame.as_ref().and_then(|frame| std::str::from_utf8(frame.name).ok());
            let Some(name) = entry.map(|(name, _)| name.as_str()).or_else(in_frame) else { continue };
            let list = self.by_list.entry(name.to_owned()).or_default();
            list.commits.push((number, block.clone()));
            list.highest = list.highest.max(entry.map_or(0, |(_, revision)| *revision));
        }
    }
}

/// What the sound rows of a list say.
#[derive(Default)]
pub(super) struct Evidence {
    /// The newest sound snapshot.
    pub(super) snapshot: Option<List>,
    /// The metadata in sound rows, each with the number of the last commit that it covers.
    pub(super) metas: Vec<(u64, ListMeta)>,
    /// All sound revisions.
    pub(super) revisions: BTreeMap<u64, Arc<Revision>>,
    /// The highest revision that any row names.
    pub(super) highest: u64,
    /// What cannot be read and may be lost by that.
    pub(super) damage: Vec<String>,
}

impl Evidence {
    /// Reads all rows of a list.
    pub(super) fn gather(db: &Connection, name: &ListName, log: &LogFrames) -> Self {
        let mut evidence = Self::default();
        for table in ["lists", "gone"] {
            evidence.take_meta(db, name, table);
            evidence.take_snapshot(db, name, table);
        }
        evidence.take_history(db, name);
        evidence.take_quarantine(db, name);
        if let Some(ListFrames { commits, highest }) = log.by_list.get(name.as_str()) {
            evidence.note_revision(*highest);
            for (seq, block) in commits {
                match block.frame(*seq) {
                    Some(frame) => evidence.take_commit(name, *seq, frame.revision, frame.record),
                    None => evidence.note_damage(format!("commit {seq} of the log")),
                }
            }
        }
        evidence
    }

    fn note_damage(&mut self, what: String) {
        if self.damage.len() < MAX_DAMAGE && !self.damage.contains(&what) {
            self.damage.push(what);
        }
    }

    fn note_revision(&mut self, number: u64) {
        if number <= MAX_REVISION {
            self.highest = self.highest.max(number);
        }
    }

    /// Takes the metadata. If it is damaged, only the wake-up time can be lost by that, which the proof notices.
    fn take_meta(&mut self, db: &Connection, name: &ListName, table: &str) {
        let select = format!("SELECT revision, seq, brief FROM {table} WHERE name = ?1");
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?));
        let row = db.query_row(&select, [name.as_str()], columns).optional();
        let Ok(Some((revision, seq, brief))) = row else { return };
        self.note_revision(revision);
        if let Ok(meta) = compacted::decode_meta(name, revision, seq, &brief) {
            self.metas.push((seq, meta));
        }
    }

    /// Takes the snapshot. A damaged one is no loss if the history leads to the list.
    fn take_snapshot(&mut self, db: &Connection, name: &ListName, table: &str) {
        let select = format!("SELECT revision, snapshot FROM {table} WHERE name = ?1");
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?));
        let Ok(Some((revision, snapshot))) = db.query_row(&select, [name.as_str()], columns).optional() else { return };
        let is_newer = |list: &List| self.snapshot.as_ref().is_none_or(|other| list.revision() > other.revision());
        self.snapshot = record::snapshot(name, revision, &snapshot).ok().filter(is_newer).or(self.snapshot.take());
    }

    /// Takes the history. The table is read from both ends if its index is damaged: that costs no row.
    fn take_history(&mut self, db: &Connection, name: &ListName) {
        let by_index = "SELECT last, record FROM history WHERE name = ?1 ORDER BY last";
        if self.take_runs(db, name, by_index).is_ok() {
            return;
        }
        let mut damage = None;
        for order in ["ASC", "DESC"] {
            let scan = format!("SELECT last, record FROM history NOT INDEXED WHERE name = ?1 ORDER BY id {order}");
            damage = damage.or(self.take_runs(db, name, &scan).err());
        }
        if let Some(error) = damage {
            self.note_damage(format!("a part of its history ({})", damage::explain("history", &error)));
        }
    }

    fn take_runs(&mut self, db: &Connection, name: &ListName, select: &str) -> rusqlite::Result<()> {
        let mut select = db.prepare_cached(select)?;
        let mut rows = select.query([name.as_str()])?;
        while let Some(row) = rows.next()? {
            let (last, bytes): (u64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            self.note_revision(last);
            match record::history_revisions(name, last, &bytes) {
                Ok(run) => self.take_revisions(run),
                Err(why) => self.note_damage(format!("revisions of its history up to {last} ({why})")),
            }
        }
        Ok(())
    }

    /// Takes the commits that were copied before the log was truncated. Rows without bytes are marks. Commits have numbers
    /// below 1 if their own numbers were given twice.
    fn take_quarantine(&mut self, db: &Connection, name: &ListName) {
        let mut read = || -> rusqlite::Result<()> {
            let mut select =
                db.prepare("SELECT seq, revision, record FROM quarantine WHERE name = ?1 AND record <> x''")?;
            let mut rows = select.query([name.as_str()])?;
            while let Some(row) = rows.next()? {
                let (seq, revision, record): (i64, u64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                self.note_revision(revision);
                self.take_commit(name, u64::try_from(seq).unwrap_or(0), revision, &record);
            }
            Ok(())
        };
        if let Err(error) = read() {
            self.note_damage(format!("commits in quarantine ({})", damage::explain("quarantine", &error)));
        }
    }

    fn take_commit(&mut self, name: &ListName, seq: u64, revision: u64, record: &[u8]) {
        let body = commit_record::log_body(name, revision, record);
        let taken = body.and_then(|body| Ok((record::revisions(body.revisions)?, body.head.meta)));
        match taken {
            Ok((revisions, meta)) => {
                self.note_revision(meta.revision);
                self.take_revisions(revisions);
                self.metas.push((seq, meta));
            }
            Err(why) => self.note_damage(format!("commit {seq} of the log ({why})")),
        }
    }

    fn take_revisions(&mut self, revisions: Vec<Arc<Revision>>) {
        for revision in revisions {
            self.revisions.entry(revision.number).or_insert(revision);
        }
    }
}
