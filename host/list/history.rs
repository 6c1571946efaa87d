//! A list with its history, and the walk from the oldest known state to the current one.
//!
//! A revision is small beside its list, so that only revisions are stored. Their inverses lead from the current list
//! back to the oldest state. From there the walk applies one revision after the other, and holds one state of the list
//! at a time.

use std::sync::Arc;

use super::List;
use super::change::{Change, Violation};
use super::name::ListName;
use super::revision::Revision;

/// A list and its retained revisions.
#[derive(Clone, PartialEq, Debug)]
pub struct ListHistory {
    /// The list's name.
    pub name: ListName,
    /// The list after its last revision.
    pub list: List,
    /// The retained revisions in order. The oldest ones may be missing.
    pub revisions: Vec<Arc<Revision>>,
}

/// A contradiction between a list and its history.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum HistoryError {
    /// The history has a gap, or belongs to another list.
    #[error("revision {found} is where revision {expected} should be in its history")]
    Order {
        /// The revision that the list had.
        expected: u64,
        /// The revision that the history has instead.
        found: u64,
    },
    /// A revision's inverse does not apply to the list.
    #[error("its revision {revision} cannot be taken back: {violation}")]
    Back {
        /// The revision.
        revision: u64,
        /// What does not fit.
        violation: Violation,
    },
    /// A revision's changes do not apply to the list before it.
    #[error("its revision {revision} does not apply: {violation}")]
    Forth {
        /// The revision.
        revision: u64,
        /// What does not fit.
        violation: Violation,
    },
    /// The history leads to another list.
    #[error("its history does not lead to what it is at revision {revision}")]
    Elsewhere {
        /// The list's revision.
        revision: u64,
    },
}

impl ListHistory {
    /// Returns the walk from the oldest known state. Nothing before a deletion of the list is known.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if the history does not lead back from the current list.
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

impl ListHistory {
    /// Checks that the retained revisions lead to the list.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] where they do not.
    pub fn check(&self) -> Result<(), HistoryError> {
        self.steps()?.try_for_each(|step| step.map(drop))
    }
}

/// The walk through a list's history: each revision, with the list before it.
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

    /// Returns the history that the commands make, and the list after each command.
    fn record(commands: Vec<Command>) -> (ListHistory, Vec<Arc<List>>) {
        let recorder = Recorder::new("bob").decide(&*Native::version(1), commands);
        (recorder.history(), recorder.states)
    }

    fn walk(recorded: &ListHistory) -> Result<Vec<(Arc<List>, u64)>, HistoryError> {
        recorded.steps()?.map(|step| step.map(|(list, revision)| (list, revision.number))).collect()
    }

    #[test]
    fn a_walk_meets_every_state_of_the_retained_history() {
        let (mut recorded, states) =
            record(vec![add("milk"), add("tea"), Command::Delete { id: 1 }, add("rye"), Command::Clear]);
        for retained in (0..=5).rev() {
            recorded.revisions.drain(..recorded.revisions.len() - retained);
            let met = walk(&recorded).unwrap();
            let expected: Vec<_> = states[5 - retained..5].iter().cloned().zip(6 - retained as u64..).collect();
            assert_eq!(met, expected, "{retained} retained");
        }
    }

    #[test]
    fn a_walk_meets_the_state_that_an_undo_reverted() {
        let logic = Native::version(1);
        let recorder = Recorder::new("bob").decide(&*logic, [add("milk"), Command::Clear]).undo(&*logic);
        let met: Vec<_> = walk(&recorder.history()).unwrap().into_iter().map(|(list, _)| list).collect();
        assert_eq!(met, recorder.states[..3]);
        assert_eq!(recorder.states[3].count(), 1);
    }

    #[test]
    fn a_walk_begins_after_the_last_deletion_of_the_list() {
        let (recorded, states) = record(vec![add("milk"), Command::DeleteList, add("tea"), add("rye")]);
        let met = walk(&recorded).unwrap();
        assert_eq!(met, vec![(states[2].clone(), 3), (states[3].clone(), 4)]);
        let (recorded, _) = record(vec![add("milk"), Command::DeleteList]);
        assert_eq!(walk(&recorded), Ok(Vec::new()));
    }

    #[test]
    fn a_history_of_another_list_is_detected() {
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
