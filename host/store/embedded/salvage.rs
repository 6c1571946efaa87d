//! What can still be read of the lists of a data directory: all of a sound list, and of a damaged one the newest state that
//! sound rows prove.
//!
//! Every row has a checksum over its content and its place, and every list numbers its revisions without gaps. A state is
//! proven if sound rows lead to it: a snapshot, or the creation of the list, and the revisions from there on without a gap.
//! Nothing else is returned, and what is missing is said.

mod names;
mod proof;
mod rows;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::Path;

use super::log_index::LogIndex;
use super::recording::{self, CACHE_BYTES, Recording};
use super::{last_commit, recover, schema};
use crate::list::history::ListHistory;
use crate::list::name::ListName;
use crate::store::error::StoreError;
use names::ReadableNames;
use rows::{Evidence, LogFrames};

/// What was attempted when acknowledged changes are missing.
const LACKING: &str = "find all acknowledged changes";

/// A list as far as it can be read.
#[derive(Clone, PartialEq, Debug)]
pub struct SalvagedList {
    /// The newest proven state, and the revisions that lead to it. The list does not [exist](List::exists) if it was deleted,
    /// and is at revision 0 if no state is proven.
    pub list: ListHistory,
    /// The wake-up time in milliseconds since the epoch.
    pub wake_up: Option<u64>,
    /// Why the list cannot be read as a server reads it, if it cannot.
    pub damage: Option<String>,
    /// What is missing. `None` if the state, the history and the wake-up time are proven to be the last ones.
    pub missing: Option<String>,
    /// Why its history or the older part of it is missing, if it is. It is a part of `missing`.
    pub lost_history: Option<String>,
}

impl SalvagedList {
    /// Whether the state and the wake-up time are proven to be the last ones. Revisions that led to it may be missing.
    pub fn is_last_state(&self) -> bool {
        self.list.list.revision() > 0 && self.missing == self.lost_history
    }
}

/// The lists of a data directory as far as they can be read, at the moment it was opened. A server may use the directory.
pub struct Salvage {
    recording: Recording,
    /// Why a server does not read the log, if it does not. Any list may have commits that cannot be read then.
    log_damage: Option<String>,
    /// The acknowledged changes that are known to be missing, as a text.
    lacks: Option<String>,
    /// The commits in the log, which are read for the first damaged list.
    log: OnceCell<LogFrames>,
}

impl Salvage {
    /// Opens a directory of any format that this program reads.
    ///
    /// # Errors
    ///
    /// [`StoreError::Format`] when another version of the program wrote the data, and [`StoreError::Failed`] when SQLite
    /// cannot open the database.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        // Read first, because a server that uses the directory raises the number.
        let acknowledged = last_commit::read(dir);
        let db = schema::open_observer_of_any_format(dir, CACHE_BYTES)?;
        recording::begin(&db)?;
        let (log_index, log_damage) = match recover::scan_read_only(&db) {
            Ok(log_index) => (log_index, None),
            Err(error) => (LogIndex::default(), Some(error.to_string())),
        };
        let last = db.query_row(schema::LAST_COMMIT, [], |row| row.get(0));
        let lacks = last.ok().and_then(|last| last_commit::lacks(acknowledged, last));
        Ok(Self { recording: Recording::new(db, log_index), log_damage, lacks, log: OnceCell::new() })
    }

    /// The approximate number of lists. Lists that were written lately may count twice.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`].
    pub fn count(&self) -> Result<usize, StoreError> {
        self.recording.count()
    }

    /// All lists for which `is_wanted` holds, and the deleted ones, in the order of their names' bytes, as far as they can be
    /// read. Holds one of them in memory at a time.
    ///
    /// An error says that lists or acknowledged changes are missing that are known no closer. The lists that can be read
    /// follow it.
    pub fn lists<'a>(
        &'a self,
        is_wanted: impl Fn(&ListName) -> bool + 'a,
    ) -> impl Iterator<Item = Result<SalvagedList, StoreError>> + 'a {
        let lost_rows = names::lost_rows(self.recording.db());
        let mut besides = self.besides_compacted();
        if !lost_rows.is_empty() {
            besides.extend(names::besides_lists(self.recording.db()));
        }
        let lacks = self.lacks.iter().cloned().chain(lost_rows);
        let lacks = lacks.map(|why| Err(StoreError::Failed { what: LACKING.into(), why })).collect::<Vec<_>>();
        let names = ReadableNames::new(self.recording.db(), besides);
        let read = move |name: Result<ListName, StoreError>| match name {
            Ok(name) if !is_wanted(&name) => None,
            Ok(name) => {
                let is_known = |list: &SalvagedList| list.list.list.revision() > 0 || list.missing.is_some();
                self.list(&name).map(|list| is_known(&list).then_some(list)).transpose()
            }
            Err(error) => Some(Err(error)),
        };
        lacks.into_iter().chain(names.filter_map(read))
    }

    /// The list of that name as far as it can be read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] when the database fails for another reason than damage.
    pub fn list(&self, name: &ListName) -> Result<SalvagedList, StoreError> {
        let damage = match &self.log_damage {
            Some(why) => why.clone(),
            None => match self.recording.recorded(name) {
                Ok((list, _)) if list.list.revision() == 0 && names::has_rows(self.recording.db(), name) => {
                    "its compacted row is missing, and it has history or receipts".to_owned()
                }
                Ok((list, wake_up)) => match list.check() {
                    Ok(()) => {
                        return Ok(SalvagedList { list, wake_up, damage: None, missing: None, lost_history: None });
                    }
                    Err(why) => why.to_string(),
                },
                Err(StoreError::Unreadable { why, .. }) => why,
                Err(error) => return Err(error),
            },
        };
        let evidence = Evidence::gather(self.recording.db(), name, self.log());
        Ok(self.prove(name, evidence, damage))
    }

    fn prove(&self, name: &ListName, evidence: Evidence, damage: String) -> SalvagedList {
        let proven = proof::newest(name, &evidence);
        let (list, mut missing) = (proven.list, evidence.damage);
        match (list.list.revision(), evidence.highest) {
            (0, 0) => missing.push("all of the list".into()),
            (0, highest) => missing.push(format!("all of the list, which is at revision {highest} at least")),
            (at, highest) if at < highest => missing.push(format!("the revisions after {at}, to {highest} at least")),
            _ => {}
        }
        missing.extend(proven.missing);
        missing.extend(proven.lost_history.clone());
        missing.extend(self.log_damage.is_some().then(|| "any commits in the log that cannot be read".into()));
        let missing = (!missing.is_empty()).then(|| missing.join("; "));
        let (wake_up, lost_history) = (proven.wake_up, proven.lost_history);
        SalvagedList { list, wake_up, damage: Some(damage), missing, lost_history }
    }

    fn log(&self) -> &LogFrames {
        self.log.get_or_init(|| LogFrames::read(self.recording.db()))
    }

    /// The names that may be in no compacted row.
    fn besides_compacted(&self) -> BTreeSet<ListName> {
        match self.log_damage {
            None => self.recording.all_besides_compacted(),
            Some(_) => self.log().names().filter_map(|name| ListName::new(name).ok()).collect(),
        }
    }
}
