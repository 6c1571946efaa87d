//! What opening does: one pass over the log tells which lists are in it and where they lead.
//!
//! No list is read, and nothing is applied: a log is bounded, a million lists are not. The pass only
//! reads; what is found damaged is set aside afterwards, by whoever may write.

use std::sync::{Arc, Weak};

use rusqlite::Connection;

use super::block::{Block, Frame};
use super::log_index::{LogIndex, Row};
use super::record::{self, ListMeta};
use super::schema;
use super::sweep::{self, Sweep};
use crate::list::name::{ListName, LogicName};
use crate::store::StoreError;

/// What the log says.
pub(super) struct Recovered {
    pub(super) log_index: LogIndex,
    pub(super) sweep: Sweep,
}

/// A list that cannot be read, and why.
struct Fault {
    name: String,
    why: String,
    /// The commit at fault, with its revision and what there is of it.
    evidence: Option<(u64, u64, Vec<u8>)>,
}

/// The pass over the log.
#[derive(Default)]
struct Pass {
    log_index: LogIndex,
    faults: Vec<Fault>,
    /// Whether memory keeps the rows, which is as much as the log has.
    holds: bool,
    /// Most lists have the same logic, so they share its name.
    logic: Option<LogicName>,
}

/// What a pass over the log found.
struct Found {
    log_index: LogIndex,
    faults: Vec<Fault>,
    cut: u64,
    end: u64,
    bytes: u64,
}

/// Reads the log, and sets aside the commits of lists that cannot be read.
pub(super) fn recover(db: &Connection) -> Result<Recovered, StoreError> {
    let Found { mut log_index, faults, cut, end, bytes } = read(db, false)?;
    set_aside_faults(db, &mut log_index, faults).map_err(schema::failed("read the log"))?;
    Ok(Recovered { log_index, sweep: Sweep::new(cut, end, bytes) })
}

/// Reads the log, and changes nothing: what is damaged is only taken note of. The rows stay in memory,
/// for whoever looks is going to read all lists, each of which has commits in many rows.
pub(super) fn look(db: &Connection) -> Result<LogIndex, StoreError> {
    let Found { mut log_index, faults, .. } = read(db, true)?;
    for Fault { name, why, .. } in faults {
        match ListName::new(&name) {
            Ok(name) => log_index.isolate(name, why),
            Err(_) => tracing::error!(list = name, why, "a commit in the log cannot be read"),
        }
    }
    Ok(log_index)
}

fn read(db: &Connection, holds: bool) -> Result<Found, StoreError> {
    let failed = schema::failed("read the log");
    let cut: u64 = db.query_row("SELECT seq FROM cut", [], |row| row.get(0)).map_err(&failed)?;
    let mut pass = Pass { faults: set_aside_earlier(db).map_err(&failed)?, holds, ..Pass::default() };
    let mut select = db.prepare("SELECT seq, first, directory, commits FROM log ORDER BY seq").map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    let (mut end, mut bytes) = (cut, 0);
    while let Some(row) = rows.next().map_err(&failed)? {
        let columns = || Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?));
        let (seq, first, directory, commits): (u64, u64, _, _) = columns().map_err(&failed)?;
        if first > end + 1 {
            let missing = first - end - 1;
            tracing::error!(
                missing,
                "the log lacks commits; a list whose last ones they were is older than it should be"
            );
        }
        bytes += commits.len();
        end = seq;
        pass.row(seq, first, &directory, commits)?;
    }
    Ok(Found { log_index: pass.log_index, faults: pass.faults, cut, end, bytes: bytes as u64 })
}

fn set_aside_earlier(db: &Connection) -> rusqlite::Result<Vec<Fault>> {
    let mut select = db.prepare("SELECT DISTINCT name FROM quarantine")?;
    let fault = |name| Fault { name, why: "its commits in the log were set aside earlier".into(), evidence: None };
    select.query_map([], |row| row.get(0).map(fault))?.collect()
}

impl Pass {
    /// Takes a row. Whose a damaged commit is, its directory tells; without either, nobody knows
    /// which lists would be older than they should be, so the store stays closed.
    fn row(&mut self, seq: u64, first: u64, directory: &[u8], commits: Vec<u8>) -> Result<(), StoreError> {
        let block = Arc::new(Block::parse(first, commits));
        for number in first..=seq {
            let frame = block.frame(number);
            let taken = match &frame {
                Some(frame) => self.commit(number, frame, &block),
                None => Err("a length before it in its log row is damaged".into()),
            };
            let Err(why) = taken else { continue };
            let (name, revision) = owner(directory, seq, number - first).map_err(|damage| StoreError::Failed {
                what: format!("read the log, whose row {seq} holds a damaged commit ({why})"),
                why: damage,
            })?;
            let record = frame.map_or(block.bytes(), |frame| frame.record).to_vec();
            self.faults.push(Fault { name, why, evidence: Some((number, revision, record)) });
        }
        Ok(())
    }

    fn commit(&mut self, seq: u64, frame: &Frame<'_>, block: &Arc<Block>) -> Result<(), String> {
        let name = std::str::from_utf8(frame.name).map_err(|error| error.to_string());
        let name = name.and_then(|name| ListName::new(name).map_err(|error| error.to_string()));
        let name = name.map_err(|error| format!("its name is damaged: {error}"))?;
        let mut head = record::log_head(&name, frame.revision, frame.record)?;
        if head.meta.logic == self.logic {
            head.meta.logic.clone_from(&self.logic);
        } else {
            self.logic.clone_from(&head.meta.logic);
        }
        match self.log_index.get(&name) {
            Some(tail) if tail.meta.revision != head.after => {
                return Err(format!("its log goes from revision {} to {}", tail.meta.revision, head.after + 1));
            }
            Some(_) => {}
            None => {
                // Whether it has a folded row is not known, and nothing depends on it.
                self.log_index.learn(name.clone(), ListMeta { revision: head.after, ..ListMeta::default() });
            }
        }
        let row = Row { seq, block: self.holds.then(|| block.clone()) };
        self.log_index.push(&name, head.meta, &mut Weak::new(), row);
        Ok(())
    }
}

/// The list, and the revision, of the commit at that place of a row.
fn owner(directory: &[u8], seq: u64, place: u64) -> Result<(String, u64), String> {
    let lists = record::directory_lists(seq, directory)?;
    let entry = usize::try_from(place).ok().and_then(|place| lists.into_iter().nth(place));
    entry.ok_or_else(|| "its directory is too short".into())
}

/// A fault makes its whole list unreadable: the commits before it would be an older list.
fn set_aside_faults(db: &Connection, log_index: &mut LogIndex, faults: Vec<Fault>) -> rusqlite::Result<()> {
    let transaction = db.unchecked_transaction()?;
    for Fault { name: text, why, evidence } in faults {
        if let Some((seq, revision, record)) = evidence {
            tracing::error!(
                list = text,
                commit = seq,
                why,
                "a commit in the log cannot be read; its list is set aside"
            );
            sweep::quarantine_row(db, seq, &text, revision, &record, &why)?;
        }
        let Ok(name) = ListName::new(&text) else { continue };
        if let Some(tail) = log_index.get(&name) {
            sweep::quarantine(db, &name, &tail.rows, &why)?;
        }
        log_index.isolate(name, why);
    }
    transaction.commit()
}
