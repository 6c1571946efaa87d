//! A list with its history: walked through from the oldest state that is known to the list as it is.
//!
//! A revision is small beside its list, so nothing but revisions is kept: each says how the list was
//! before it, which leads back to the beginning, and from there on one state of the list is held at a
//! time, however long the history is.

use std::sync::Arc;

use super::List;
use super::change::{Change, Violation};
use super::name::ListName;
use super::revision::Revision;

/// A list, and the revisions of it that are kept.
#[derive(Clone, PartialEq, Debug)]
pub struct ListHistory {
    /// What it is called.
    pub name: ListName,
    /// The list as its last revision left it.
    pub list: List,
    /// The revisions, one after the other, the last one last; the oldest may be gone.
    pub revisions: Vec<Arc<Revision>>,
}

/// How a list and its history contradict each other.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is a gap, or the history is of something else.
    #[error("revision {found} is where revision {expected} should be in its history")]
    Order {
        /// The revision that the list was at.
        expected: u64,
        /// The revision that the history has there.
        found: u64,
    },
    /// What takes a revision back does not fit the list.
    #[error("its revision {revision} cannot be taken back: {violation}")]
    Back {
        /// The revision.
        revision: u64,
        /// What does not fit.
        violation: Violation,
    },
    /// What a revision did does not fit the list before it.
    #[error("its revision {revision} does not apply: {violation}")]
    Forth {
        /// The revision.
        revision: u64,
        /// What does not fit.
        violation: Violation,
    },
    /// The history leads to another list than there is.
    #[error("its history does not lead to what it is at revision {revision}")]
    Elsewhere {
        /// The list's revision.
        revision: u64,
    },
}

impl ListHistory {
    /// The way from the oldest state that is known. A list that was deleted has none from before.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] where the history does not lead back from the list.
    pub fn steps(&self) -> Result<Steps<'_>, HistoryError> {
        let mut list = self.list.clone();
        let mut first = self.revisions.len();
        for (at, revision) in self.revisions.iter().enumerate().rev() {
            if revision.number != list.revision() {
                return Err(HistoryError::Order { expected: list.revision(), found: revision.number });
            }
            if revision.changes.contains(&Change::DeleteList) {
                break;
            }
            let back = |violation| HistoryError::Back { revision: revision.number, violation };
            list = list.revert(revision).map_err(back)?;
            first = at;
        }
        let steps = self.revisions[first..].iter();
        Ok(Steps { list: Arc::new(list), steps, end: &self.list, over: false })
    }
}

/// The way through a list's history: each revision, and the list as it was before it.
#[derive(Debug)]
pub struct Steps<'a> {
    list: Arc<List>,
    steps: std::slice::Iter<'a, Arc<Revision>>,
    end: &'a List,
    over: bool,
}

impl<'a> Iterator for Steps<'a> {
    type Item = Result<(Arc<List>, &'a Revision), HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let Some(revision) = self.steps.next() else {
            self.over = true;
            let elsewhere = HistoryError::Elsewhere { revision: self.end.revision() };
            return (*self.list != *self.end).then_some(Err(elsewhere));
        };
        match self.list.apply(&revision.changes) {
            Ok(after) => Some(Ok((std::mem::replace(&mut self.list, Arc::new(after)), revision))),
            Err(violation) => {
                self.over = true;
                Some(Err(HistoryError::Forth { revision: revision.number, violation }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::command::Command;
    use crate::logic::testing::{Native, Recorder, add};

    /// What becomes of a list by these commands, and the list after each.
    fn record(commands: Vec<Command>) -> (ListHistory, Vec<Arc<List>>) {
        let recorder = Recorder::new("bob").decide(&*Native::version(1), commands);
        (recorder.recorded(), recorder.states)
    }

    fn walk(recorded: &ListHistory) -> Result<Vec<(Arc<List>, u64)>, HistoryError> {
        recorded.steps()?.map(|step| step.map(|(list, revision)| (list, revision.number))).collect()
    }

    #[test]
    fn every_state_of_the_kept_history_is_met_again() {
        let (mut recorded, states) =
            record(vec![add("milk"), add("tea"), Command::Delete { id: 1 }, add("rye"), Command::Clear]);
        for kept in (0..=5).rev() {
            recorded.revisions.drain(..recorded.revisions.len() - kept);
            let met = walk(&recorded).unwrap();
            let expected: Vec<_> = states[5 - kept..5].iter().cloned().zip(6 - kept as u64..).collect();
            assert_eq!(met, expected, "{kept} kept");
        }
    }

    #[test]
    fn what_was_taken_back_is_met_as_it_was() {
        let logic = Native::version(1);
        let recorder = Recorder::new("bob").decide(&*logic, [add("milk"), Command::Clear]).undo(&*logic);
        let met: Vec<_> = walk(&recorder.recorded()).unwrap().into_iter().map(|(list, _)| list).collect();
        assert_eq!(met, recorder.states[..3]);
        assert_eq!(recorder.states[3].count(), 1);
    }

    #[test]
    fn a_list_that_was_deleted_begins_where_it_was_made_anew() {
        let (recorded, states) = record(vec![add("milk"), Command::DeleteList, add("tea"), add("rye")]);
        let met = walk(&recorded).unwrap();
        assert_eq!(met, vec![(states[2].clone(), 3), (states[3].clone(), 4)]);
        let (recorded, _) = record(vec![add("milk"), Command::DeleteList]);
        assert_eq!(walk(&recorded), Ok(Vec::new()));
    }

    #[test]
    fn a_history_that_is_not_the_lists_is_found_out() {
        let (recorded, _) = record(vec![add("milk"), add("tea"), add("rye")]);
        let mut gap = recorded.clone();
        gap.revisions.remove(1);
        assert_eq!(walk(&gap), Err(HistoryError::Order { expected: 2, found: 1 }));
        let (other, _) = record(vec![add("milk"), add("tea"), add("corn")]);
        let swapped = ListHistory { list: other.list, ..recorded.clone() };
        assert_eq!(walk(&swapped), Err(HistoryError::Elsewhere { revision: 3 }));
        let (shorter, _) = record(vec![add("milk"), add("tea"), Command::Delete { id: 2 }]);
        let wrong = ListHistory { list: shorter.list, ..recorded };
        assert!(matches!(walk(&wrong), Err(HistoryError::Back { revision: 3, .. })));
    }
}
