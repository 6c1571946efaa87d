//! Replies that need no decision: repeated requests, preconditions that do not hold, wake-ups that are not due, and
//! every other command while the store takes no writes.
//!
//! They come before a version is resolved, because none of them depends on one. A repetition gets its first
//! answer also while no version is loaded and no instance is free. They come before a migration, too: a caller
//! that names a revision knows nothing of migrations.

use super::batch::Batch;
use super::error::CallError;
use super::request::{Effect, Expect, Reply, Request};
use crate::list::List;
use crate::list::change::Change;
use crate::list::command::Command;
use crate::list::revision::{CommandOutcome, Receipt};
use crate::logic::Refusal;
use crate::store::Store;

/// The reply to a request that is not to be decided.
pub(super) fn reply_without_decision(
    store: &dyn Store,
    batch: &Batch,
    request: &Request,
) -> Option<Result<Reply, CallError>> {
    if *request.command.outline() == Command::Wake && !is_due(batch) {
        return Some(Err(CallError::Stale { revision: batch.list().revision() }));
    }
    if let Some(idempotency) = &request.idempotency
        && let Some(first) = batch.receipts().iter().find(|receipt| receipt.request.key == idempotency.key)
    {
        return Some(repeat(first, batch.list(), idempotency.fingerprint == first.request.fingerprint));
    }
    // A decision that cannot be stored would be work for nothing, and its reply could not be kept.
    let may_decide = check(&request.expect, batch.list()).and_then(|()| Ok(store.health().check()?));
    may_decide.err().map(Err)
}

/// Whether the wake-up time of the list has come. It may have been put off, or the list deleted, since the
/// wake-up was sent.
fn is_due(batch: &Batch) -> bool {
    batch.list().exists() && batch.wake_up().is_some_and(|at| at <= batch.now())
}

/// The reply to a request, sent again. A receipt holds changes, so what the request did not change is that of the list.
fn repeat(first: &Receipt, list: &List, is_same_request: bool) -> Result<Reply, CallError> {
    if !is_same_request {
        return Err(CallError::KeyReused);
    }
    let logic = first.logic.clone();
    match first.outcome.clone() {
        CommandOutcome::Done { revision, changes, created, next_id_before } => {
            let changed = changes.iter().rev().find_map(|change| match change {
                Change::Pin(pin) => Some(pin.clone()),
                _ => None,
            });
            let pin = changed.unwrap_or_else(|| list.pin().cloned());
            // A change binds the list to the version that decided.
            let bound = list.binding().filter(|_| changes.is_empty()).map_or(&logic, |binding| &binding.id);
            let bound = Some(bound.clone());
            Ok(Reply { logic, revision, created, next_id_before, bound, pin, effect: Effect::Repeated(changes) })
        }
        CommandOutcome::Rejected(rejection) => Err(CallError::Refused { refusal: Refusal::Rejected(rejection), logic }),
    }
}

fn check(expect: &Expect, list: &List) -> Result<(), CallError> {
    let revision = list.revision();
    let holds = match expect {
        Expect::Anything => true,
        Expect::Exists => list.exists(),
        Expect::Revision(revisions) => list.exists() && revisions.contains(&revision),
    };
    if holds { Ok(()) } else { Err(CallError::Stale { revision }) }
}
