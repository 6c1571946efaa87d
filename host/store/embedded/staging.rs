//! Commits on their way into a batch.

use std::sync::Weak;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::covered_rows::CoveredRows;
use super::error::{ReadError, WriteError, WriteFailure};
use super::log_index::{LogIndex, StagedHead};
use super::queue_room::QueuedBytes;
use super::record::ListMeta;
use super::{compacted, damage};
use crate::list::List;
use crate::list::name::ListName;
use crate::store::error::StoreError;

/// A commit that its caller encoded, so that the one thread that all callers wait for need not.
pub(super) struct EncodedCommit {
    pub(super) name: ListName,
    pub(super) after: u64,
    pub(super) meta: ListMeta,
    pub(super) frame: Vec<u8>,
    pub(super) state: Weak<List>,
    pub(super) reply: oneshot::Sender<CommitReply>,
    /// The bytes that the commit takes in the queue.
    pub(super) room: QueuedBytes,
}

/// The result of a commit, with the memory of the commit. The thread that allocated the memory frees it, which costs much
/// less than freeing it here, and no other caller waits for it.
pub(super) struct CommitReply {
    pub(super) result: Result<(), StoreError>,
    pub(super) _spent: (ListName, Vec<u8>, Weak<List>),
}

impl EncodedCommit {
    /// The commit as the object of an error message.
    pub(super) fn action(&self) -> String {
        action(&self.name, self.meta.revision)
    }

    /// A caller may have dropped its answer; the commit stands.
    pub(super) fn answer(self, result: Result<(), StoreError>) {
        // The caller may commit again at once.
        drop(self.room);
        let _ = self.reply.send(CommitReply { result, _spent: (self.name, self.frame, self.state) });
    }
}

/// A commit as the object of an error message.
pub(super) fn action(name: &ListName, revision: u64) -> String {
    format!("write revision {revision} of list {:?}", name.as_str())
}

/// Stages a commit, if it continues its list after all earlier commits of the batch.
pub(super) fn stage(
    rows: CoveredRows<'_>,
    log_index: &Mutex<LogIndex>,
    commit: &EncodedCommit,
    timers: &Result<(), String>,
) -> Result<Result<(), StoreError>, WriteError> {
    let next = StagedHead { revision: commit.meta.revision, wake_up: commit.meta.wake_up };
    let before = match advance(rows, log_index, commit, next)? {
        Ok(before) => before,
        Err(refused) => return Ok(Err(refused)),
    };
    if before.wake_up == next.wake_up {
        return Ok(Ok(()));
    }
    if let Err(why) = timers {
        log_index.lock().staged(&commit.name).into_iter().for_each(|staged| *staged = before);
        let what = format!("write the timer of list {:?}", commit.name.as_str());
        return Ok(Err(StoreError::Failed { what, why: why.clone() }));
    }
    set_timer(rows, &commit.name, before.wake_up, next.wake_up).map(Ok).map_err(|error| {
        match damage::is_damage(&error) {
            true => WriteError::Timers(error),
            false => WriteFailure::RolledBack("write a timer", error).into(),
        }
    })
}

/// Moves the staged head of a commit's list to `next`, if the commit continues the list. Returns the head before it.
fn advance(
    rows: CoveredRows<'_>,
    log_index: &Mutex<LogIndex>,
    commit: &EncodedCommit,
    next: StagedHead,
) -> Result<Result<StagedHead, StoreError>, WriteError> {
    let conflict = |found| Ok(Err(StoreError::Conflict { name: commit.name.clone(), expected: commit.after, found }));
    let mut locked = log_index.lock();
    Ok(Ok(match locked.staged(&commit.name) {
        Some(staged) if staged.revision != commit.after => return conflict(staged.revision),
        Some(staged) => std::mem::replace(staged, next),
        None => {
            if let Some(why) = locked.isolated(&commit.name) {
                return Ok(Err(StoreError::Unreadable { name: commit.name.clone(), why: why.clone() }));
            }
            drop(locked);
            let meta = compacted::read_meta(rows.db, &commit.name).map_err(|error| match error {
                ReadError::Database(error) => WriteFailure::RolledBack("read the metadata of a list", error).into(),
                damage => WriteError::List(commit.name.clone(), damage),
            })?;
            if meta.revision != commit.after {
                return conflict(meta.revision);
            }
            std::mem::replace(&mut log_index.lock().track(commit.name.clone(), meta).staged, next)
        }
    }))
}

fn set_timer(rows: CoveredRows<'_>, name: &ListName, before: Option<u64>, after: Option<u64>) -> rusqlite::Result<()> {
    if let Some(before) = before {
        rows.delete_timer(name, before)?;
    }
    after.map_or(Ok(()), |after| rows.put_timer(name, after))
}
