//! Undoes a revision: the history tells what the revision changed and who made it, and the actor of the list decides.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Cache, MAX_UNDO_BYTES};
use crate::actor::{CallError, Reply, Request};
use crate::list::change::{Change, Subject};
use crate::list::command::Command;
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::logic::Refusal;
use crate::store::{ChangesPage, PageLimit, RetainedRevision, StoreError};

/// How many revisions are read at a time in the search for the one that conflicts with an undo.
const PAGE: u64 = 100;

/// How many pages of revisions are read at most. The conflicting revision is mostly a late one. Where it is not, the
/// reply goes without its number.
const MAX_PAGES: usize = 10;

/// The bytes of a page of revisions that are searched.
const SEARCHED_BYTES: usize = 4 << 20;

/// The bytes up to which a revision does not count.
const SMALL_BYTES: usize = 64 << 10;

/// How many times a revision that is undone is in memory: as it was read, and as the revision that undoes it.
const COPIES: usize = 2;

/// A revision that is to be undone, or the number of the first one after it.
struct Found {
    revision: Result<Arc<Revision>, u64>,
    room: Option<OwnedSemaphorePermit>,
}

/// The caller of the revisions that the host made: wake-ups and migrations. No request has this caller.
const HOST: &str = "hotlist";

/// Which revisions a caller may undo. The logic decides nothing about an undo, so the host asks for more than a command
/// does: rules that forbid a caller a change must not be evaded by an undo of another caller's change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UndoRight {
    /// The revisions that the caller made.
    Own,
    /// All revisions, because all requests have the same caller.
    All,
}

impl UndoRight {
    /// Whether a caller may undo a revision of `maker`.
    pub fn covers(self, maker: &str, caller: &str) -> bool {
        self == Self::All || (maker == caller && maker != HOST)
    }
}

impl Cache {
    /// Undoes a revision of a list, or the last one that the list has when this is called. `request` makes the request
    /// from the command.
    pub async fn undo(
        &self,
        name: &ListName,
        number: Option<u64>,
        right: UndoRight,
        request: impl FnOnce(Command) -> Request,
    ) -> Result<Reply, CallError> {
        let last = self.read(name).await?.revision();
        let number = number.unwrap_or(last);
        // The actor is asked even if the history cannot be read, because it gives a repeated request its first reply.
        let (found, room, next) = match self.revision(name, number).await? {
            Ok(Some(Found { revision: Ok(revision), room })) => (Some(Arc::unwrap_or_clone(revision)), room, Ok(None)),
            Ok(Some(Found { revision: Err(next), .. })) => (None, None, Ok(Some(next))),
            Ok(None) => (None, None, Ok(None)),
            Err(error) => (None, None, Err(error)),
        };
        let is_found = found.is_some();
        let mut request = request(Command::Undo { revision: number, changes: Vec::new(), inverse: Vec::new() });
        let maker = found.as_ref().map(|found| &found.context.caller);
        let refused = maker.filter(|maker| !right.covers(maker, &request.caller)).map(|maker| {
            let by = (**maker != *HOST).then(|| maker.clone());
            CallError::NotOwnRevision { number, by }
        });
        // The actor is asked all the same, with an undo of nothing. The list may not exist or not be at the expected
        // revision, and the same request may have a receipt from when the history still held the revision.
        if let Some(Revision { changes, inverse, .. }) = found.filter(|_| refused.is_none()) {
            request.command = Command::Undo { revision: number, changes, inverse }.into();
            if let Some(room) = room {
                request.room.hold(room);
            }
        }
        match self.call(name, request).await {
            Err(CallError::Refused { refusal: Refusal::Conflict { .. }, .. }) if refused.is_some() || !is_found => {
                Err(match refused {
                    Some(error) => error,
                    None => missing(number, last, next?),
                })
            }
            Err(CallError::Refused { refusal: Refusal::Conflict { revision, why, about }, logic }) => {
                let by = match &about {
                    Some(subject) => self.last_about(name, number, subject).await,
                    None => None,
                };
                let why = match by {
                    Some(by) => format!("{why}; revision {by} was the last to change it"),
                    None => why,
                };
                Err(CallError::Refused { refusal: Refusal::Conflict { revision, why, about }, logic })
            }
            other => other,
        }
    }

    /// The revision of that number, or the number of the first one after it.
    ///
    /// # Errors
    ///
    /// [`CallError::UndosFull`]. An error of the store is for the caller.
    async fn revision(&self, name: &ListName, number: u64) -> Result<Result<Option<Found>, StoreError>, CallError> {
        let (store, after) = (&self.environment.store, number.saturating_sub(1));
        let page = match store.history_page(name, after, PageLimit { items: 1, bytes: SMALL_BYTES }).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        let mut room = None;
        let found = match page.revisions.into_iter().next() {
            Some(RetainedRevision::Whole(revision)) => Some(revision),
            Some(RetainedRevision::Large(outline)) if outline.number == number => {
                self.take_undo_room(&mut room, COPIES * outline.bytes)?;
                match store.history(name, after, 1).await {
                    Ok(found) => found.into_iter().next(),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Some(next) => return Ok(Ok(Some(Found { revision: Err(next.number()), room }))),
            None => None,
        };
        let Some(revision) = found else { return Ok(Ok(None)) };
        if revision.number != number {
            return Ok(Ok(Some(Found { revision: Err(revision.number), room: None })));
        }
        let bytes = COPIES * revision.bytes();
        if bytes > SMALL_BYTES {
            self.take_undo_room(&mut room, bytes)?;
        }
        Ok(Ok(Some(Found { revision: Ok(revision), room })))
    }

    /// Takes room for an undo of this many bytes, in addition to the room that it has.
    fn take_undo_room(&self, room: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), CallError> {
        let has = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.min(MAX_UNDO_BYTES).saturating_sub(has);
        let more = self.undo_room.clone().try_acquire_many_owned(u32::try_from(more).unwrap_or(u32::MAX));
        let more = more.map_err(|_| CallError::UndosFull { limit: MAX_UNDO_BYTES })?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }

    /// A page of the changes of one revision, without the first `after` of them.
    pub async fn changes(
        &self,
        name: &ListName,
        number: u64,
        after: usize,
        limit: PageLimit,
    ) -> Result<ChangesPage, CallError> {
        let store = &self.environment.store;
        if let Some(page) = store.changes(name, number, after, limit).await? {
            return Ok(page);
        }
        let last = self.read(name).await?.revision();
        let next = store.history_page(name, number, PageLimit { items: 1, bytes: 0 }).await?;
        Err(missing(number, last, next.revisions.first().map(RetainedRevision::number)))
    }

    /// The last revision after a number that changed a subject. The search begins at the last revision. `None` where
    /// the store does not reply: the conflict is reported without the number.
    async fn last_about(&self, name: &ListName, after: u64, subject: &Subject) -> Option<u64> {
        let is_about = |changes: &[Change]| changes.iter().any(|change| change.subject() == *subject);
        let mut end = self.read(name).await.ok()?.revision();
        for _ in 0..MAX_PAGES {
            let start = end.saturating_sub(PAGE).max(after);
            let items = usize::try_from(end - start).ok().filter(|items| *items > 0)?;
            let limit = PageLimit { items, bytes: SEARCHED_BYTES };
            let page = self.environment.store.history_page(name, start, limit).await.ok()?.revisions;
            // A revision whose changes are not on the page may be the one.
            let is_whole = page.last()?.number() == end && page.iter().all(|revision| revision.changes().is_some());
            let found = page.iter().rev().find(|revision| revision.changes().is_some_and(is_about));
            if let Some(found) = found.filter(|_| is_whole) {
                return Some(found.number());
            }
            if !is_whole {
                return None;
            }
            end = start;
        }
        None
    }
}

/// The error for a revision that is not in the history. `next` is the first revision behind it that is.
fn missing(number: u64, last: u64, next: Option<u64>) -> CallError {
    match next {
        // Revisions begin with 1.
        Some(oldest) if (1..=last).contains(&number) => {
            CallError::Forgotten { number, oldest, kept: last.max(oldest) - oldest + 1 }
        }
        _ => CallError::NoRevision { number, last },
    }
}
