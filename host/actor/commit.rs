//! Makes a batch durable, and only then publishes it and replies.

use super::batch::{Batch, Replies};
use super::durable::DurableState;
use super::environment::Environment;
use super::error::CallError;
use crate::failpoint;
use crate::list::name::ListName;
use crate::simulation::{Defect, has};
use crate::store::StoreError;

/// What became of a batch.
pub(super) enum Committed {
    /// The batch is durable and published, or there was nothing to make durable.
    Published,
    /// The store certainly did nothing. The callers know.
    Refused,
    /// The list in the store is not the one that the batch was decided on. Nothing was done.
    Conflict(Replies, StoreError),
    /// What the actor has in memory may differ from what is durable. The callers know.
    Failed(StoreError),
}

/// Commits a batch and publishes it.
pub(super) async fn commit(
    environment: &Environment,
    name: &ListName,
    durable: &DurableState,
    mut batch: Batch,
) -> Committed {
    let Some(commit) = batch.to_commit(name) else {
        durable.remember_migration(batch.migration_failed());
        batch.into_replies().send();
        return Committed::Published;
    };
    let receipt_room = batch.hand_to_store();
    if has(Defect::PublishBeforeCommit) {
        durable.show(batch.list().clone(), &environment.list_memory);
    }
    if has(Defect::EventsBeforeDurability) {
        durable.announce(commit.revisions.clone(), &environment.live_room);
    }
    failpoint::point("commit");
    let error = match environment.store.commit(commit).await {
        Ok(()) => {
            failpoint::point("committed");
            let batch = batch.into_durable();
            let changed = (!batch.revisions.is_empty()).then(|| batch.list.clone());
            durable.publish(batch, &environment.live_room, &environment.list_memory);
            if let Some(list) = changed {
                environment.list_changes.note(name, &list);
            }
            return Committed::Published;
        }
        Err(error) => error,
    };
    if !error.is_unknown() {
        receipt_room.release();
    }
    let replies = batch.into_replies();
    match error {
        StoreError::Conflict { .. } => Committed::Conflict(replies, error),
        StoreError::Overloaded { .. } if has(Defect::OverloadIsFailure) => {
            replies.fail(&CallError::Store(error.clone()));
            Committed::Failed(error)
        }
        // What is published is still what is durable, so the actor goes on, and its list can be read.
        StoreError::Overloaded { .. }
        | StoreError::QueueFull { .. }
        | StoreError::Unavailable { .. }
        | StoreError::Poisoned { .. }
        | StoreError::Failed { .. }
        | StoreError::Closed => {
            replies.fail(&CallError::Store(error));
            Committed::Refused
        }
        error => {
            replies.fail(&match error.is_unknown() {
                true => CallError::Unknown { why: error.to_string() },
                false => CallError::Store(error.clone()),
            });
            Committed::Failed(error)
        }
    }
}
