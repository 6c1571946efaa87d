//! Deletions of lists that cannot be read, as the writer carries them out.

use tokio::sync::oneshot;

use super::Writer;
use crate::list::name::ListName;
use crate::store::embedded::damage;
use crate::store::embedded::discard::{self, Discard};
use crate::store::embedded::error::{ReadError, WriteFailure};
use crate::store::error::StoreError;

impl Writer {
    /// Isolates a list that is to be deleted, so that it gets no more commits, and has the log compacted.
    pub(super) fn queue_discard(&mut self, name: ListName, reply: oneshot::Sender<Result<(), StoreError>>) {
        let Some(why) = self.log_index.lock().damage(&name) else {
            let (what, why) = (discard::action(&name), "it can be read".into());
            return drop(reply.send(Err(StoreError::Failed { what, why })));
        };
        if self.discards.len() == discard::MAX_WAITING {
            return drop(reply.send(Err(StoreError::Overloaded { limit: discard::MAX_WAITING })));
        }
        if let Err(refusal) = self.lifecycle.check_healthy() {
            return drop(reply.send(Err(refusal)));
        }
        match self.isolate(name.clone(), ReadError::Damaged(why)) {
            Ok(()) => self.discards.push(Discard { name, seq: self.compaction.last(), reply }),
            Err(failure) => drop(reply.send(Err(self.discard_error(&name, &failure)))),
        }
    }

    /// Deletes the lists whose commits are out of the log.
    pub(super) fn carry_out_discards(&mut self) {
        let truncated_to = self.compaction.truncated_to();
        let due: Vec<_> = self.discards.extract_if(.., |discard| discard.seq <= truncated_to).collect();
        for Discard { name, seq, reply } in due {
            if let Err(refusal) = self.lifecycle.check_healthy() {
                // A caller may have dropped its answer.
                let _ = reply.send(Err(refusal));
                continue;
            }
            let discarded = self.change_rows("delete an unreadable list", |rows| discard::discard(rows, &name, seq));
            let result = discarded.map_err(|failure| self.discard_error(&name, &failure));
            if result.is_ok() {
                self.log_index.lock().discard(&name);
                tracing::warn!(list = name.as_str(), "an unreadable list was deleted; its rows are kept as evidence");
            }
            // A caller may have dropped its answer; the list is deleted all the same.
            let _ = reply.send(result);
        }
        if !self.discards.is_empty() && !self.compaction.is_under_way() {
            self.compaction.begin(&self.log_index);
        }
    }

    /// The error of a deletion that failed, which may be the damage of the list itself.
    fn discard_error(&mut self, name: &ListName, failure: &WriteFailure) -> StoreError {
        let what = discard::action(name);
        match failure {
            WriteFailure::RolledBack(_, error) if damage::is_damage(error) => {
                StoreError::Failed { what, why: damage::locate(&self.db, name, error) }
            }
            _ => self.write_error(what, failure),
        }
    }
}
