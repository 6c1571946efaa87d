//! Replies that need no decision: repeated requests, preconditions that do not hold, wake-ups that are not due, requests
//! whose receipt has no room, and every other command while the store takes no writes.
//!
//! They come before a version is resolved, because none of them depends on one. A repetition gets its first
//! reply also while no version is loaded and no instance is free. They come before a migration, too: a caller
//! that names a revision knows nothing of migrations.

use super::batch::Batch;
use super::error::CallError;
use super::request::{Effect, Expect, Reply, Request};
use crate::list::List;
use crate::list::command::Command;
use crate::list::receipt::{CommandOutcome, Receipt, RetainedEffect};
use crate::store::Store;

/// The reply to a request that is not to be decided.
pub(super) fn reply_without_decision(
    store: &dyn Store,
    batch: &Batch,
    request: &Request,
) -> Option<Result<Reply, CallError>> {
    if *request.command.outline() == Command::Wake && !is_due(batch) {
        return Some(Err(CallError::Stale { revision: Some(batch.list().revision()) }));
    }
    if let Some(idempotency) = &request.idempotency
        && let Some(first) = batch.receipt(&idempotency.key)
    {
        return Some(repeat(first, batch.list(), idempotency.fingerprint == first.request.fingerprint));
    }
    // A decision that cannot be stored would be work for nothing, and its reply could not be kept.
    let may_decide = check(&request.expect, batch.list()).and_then(|()| Ok(store.health().check()?));
    if let Err(error) = may_decide {
        return Some(Err(error));
    }
    let idempotency = request.idempotency.as_ref()?;
    batch.check_receipt_room(idempotency).err().map(|no_room| Err(CallError::NoReceiptRoom(no_room)))
}

/// Whether the wake-up time of the list has come. It may have been put off, or the list deleted, since the
/// wake-up was sent.
fn is_due(batch: &Batch) -> bool {
    batch.list().exists() && batch.wake_up().is_some_and(|at| at <= batch.now())
}

/// The reply to a request, sent again. A receipt holds entries only, so the pin is that of the list.
fn repeat(first: &Receipt, list: &List, is_same_request: bool) -> Result<Reply, CallError> {
    if !is_same_request {
        return Err(CallError::KeyReused);
    }
    let logic = first.logic.clone();
    match first.outcome.clone() {
        CommandOutcome::Done { revision, created, next_id_before, effect } => {
            let is_unchanged = effect == RetainedEffect::Nothing;
            // A change binds the list to the version that decided.
            let bound = list.binding().filter(|_| is_unchanged).map_or(&logic, |binding| &binding.id);
            let (bound, pin) = (Some(bound.clone()), list.pin().cloned());
            Ok(Reply { logic, revision, created, next_id_before, bound, pin, effect: Effect::Repeated(effect) })
        }
        CommandOutcome::Rejected(rejection) => Err(CallError::RejectedBefore { rejection, logic }),
    }
}

fn check(expect: &Expect, list: &List) -> Result<(), CallError> {
    let revision = list.revision();
    let holds = match expect {
        Expect::Anything => true,
        Expect::Exists => list.exists(),
        Expect::Revision(revisions) => list.exists() && revisions.contains(&revision),
    };
    if holds { Ok(()) } else { Err(CallError::Stale { revision: list.exists().then_some(revision) }) }
}
