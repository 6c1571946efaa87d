//! Undoes a revision: the history tells what the revision changed, and the actor of the list decides.

use std::sync::Arc;

use super::Cache;
use crate::actor::{CallError, Reply, Request};
use crate::list::change::Subject;
use crate::list::command::Command;
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::logic::Refusal;

/// How many revisions are read at a time in the search for the one that conflicts with an undo.
const PAGE: u64 = 100;

/// How many pages of revisions are read at most. The conflicting revision is mostly a late one. Where it is not, the
/// reply goes without its number.
const MAX_PAGES: usize = 10;

impl Cache {
    /// Undoes a revision of a list, or the last one that the list has when this is called. `request` makes the request
    /// from the command.
    pub async fn undo(
        &self,
        name: &ListName,
        number: Option<u64>,
        request: impl FnOnce(Command) -> Request,
    ) -> Result<Reply, CallError> {
        let last = self.read(name).await?.revision();
        let number = number.unwrap_or(last);
        // The actor is asked even if the history cannot be read, because it gives a repeated request its first reply.
        let found = self.environment.store.history(name, number.saturating_sub(1), 1).await.map(|mut page| page.pop());
        let (changes, inverse) = match found.as_ref().ok().and_then(Option::as_deref) {
            Some(revision) if revision.number == number => (revision.changes.clone(), revision.inverse.clone()),
            // The actor is asked all the same. The list may not exist or not be at the expected revision, and the same
            // request may have a receipt from when the history still held the revision.
            _ => (Vec::new(), Vec::new()),
        };
        let is_found = !changes.is_empty();
        let reply = self.call(name, request(Command::Undo { revision: number, changes, inverse })).await;
        match reply {
            Err(CallError::Refused { refusal: Refusal::Conflict { .. }, .. }) if !is_found => {
                Err(missing(number, last, found?.as_deref()))
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

    /// The last revision after a number that changed a subject. The search begins at the last revision. `None` where
    /// the store does not reply: the conflict is reported without the number.
    async fn last_about(&self, name: &ListName, after: u64, subject: &Subject) -> Option<u64> {
        let is_about = |revision: &&Arc<Revision>| revision.changes.iter().any(|c| c.subject() == *subject);
        let mut end = self.read(name).await.ok()?.revision();
        for _ in 0..MAX_PAGES {
            let start = end.saturating_sub(PAGE).max(after);
            let limit = usize::try_from(end - start).ok().filter(|limit| *limit > 0)?;
            let page = self.environment.store.history(name, start, limit).await.ok()?;
            if let Some(found) = page.iter().rev().find(is_about) {
                return Some(found.number);
            }
            end = start;
        }
        None
    }
}

/// The error for a revision that is not in the history. `next` is the first revision behind it that is.
fn missing(number: u64, last: u64, next: Option<&Revision>) -> CallError {
    match next {
        Some(Revision { number: oldest, .. }) if number <= last => {
            CallError::Forgotten { number, oldest: *oldest, kept: last.max(*oldest) - oldest + 1 }
        }
        _ => CallError::NoRevision { number, last },
    }
}
