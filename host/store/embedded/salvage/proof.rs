//! The newest state of a list that sound rows prove.

use crate::list::List;
use crate::list::change::Change;
use crate::list::history::ListHistory;
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::store::embedded::record::ListMeta;

use super::rows::Evidence;

/// A proven state.
pub(super) struct Proven {
    pub(super) list: ListHistory,
    pub(super) wake_up: Option<u64>,
    /// What is not proven about the state itself.
    pub(super) missing: Vec<String>,
}

/// Returns the state with the highest revision that a snapshot or a creation of the list leads to.
pub(super) fn newest(name: &ListName, evidence: &Evidence) -> Proven {
    let created = evidence.revisions.values().filter(|revision| creates(revision));
    let bases = created.map(|revision| List::absent(revision.number.saturating_sub(1)));
    // Of states at the same revision the last one is taken, which is the one from the snapshot.
    let states = bases.chain(evidence.snapshot.clone()).map(|base| replay(base, evidence));
    let Some(list) = states.max_by_key(List::revision) else {
        return Proven { list: nothing(name), wake_up: None, missing: Vec::new() };
    };
    let mut missing = Vec::new();
    let list = with_history(name, list, evidence, &mut missing);
    let wake_up = wake_up(&list.list, evidence).unwrap_or_else(|| {
        missing.push("its wake-up time".into());
        None
    });
    Proven { list, wake_up, missing }
}

/// Whether a revision creates its list: what reverts it deletes the list.
fn creates(revision: &Revision) -> bool {
    revision.inverse.contains(&Change::DeleteList)
}

/// Applies the revisions that follow a state, up to the first one that is missing or does not fit.
fn replay(mut list: List, evidence: &Evidence) -> List {
    while let Some(revision) = evidence.revisions.get(&(list.revision() + 1)) {
        match list.apply(&revision.changes) {
            Ok(next) => list = next,
            Err(_) => break,
        }
    }
    list
}

/// Adds the revisions that lead to a state without a gap, back to the deletion of an earlier list of the name.
fn with_history(name: &ListName, list: List, evidence: &Evidence, missing: &mut Vec<String>) -> ListHistory {
    let mut revisions = Vec::new();
    let mut before = list.clone();
    let mut expected = list.revision();
    while let Some(revision) = evidence.revisions.get(&expected) {
        if revision.changes.contains(&Change::DeleteList) {
            revisions.push(revision.clone());
            break;
        }
        let Ok(reverted) = before.revert(revision) else { break };
        before = reverted;
        revisions.push(revision.clone());
        expected -= 1;
    }
    revisions.reverse();
    let history = ListHistory { name: name.clone(), list, revisions };
    if history.check().is_ok() {
        if history.revisions.is_empty() && history.list.revision() > 0 {
            missing.push("its history".into());
        }
        return history;
    }
    missing.push("its history, which does not lead to it".into());
    ListHistory { revisions: Vec::new(), ..history }
}

/// The wake-up time of a state, if the metadata in a sound row is that of the state.
fn wake_up(list: &List, evidence: &Evidence) -> Option<Option<u64>> {
    let of_state = evidence.metas.iter().filter(|(_, meta)| *meta == ListMeta::of(list, meta.wake_up));
    of_state.max_by_key(|(seq, _)| *seq).map(|(_, meta)| meta.wake_up)
}

/// A list of which nothing is known.
fn nothing(name: &ListName) -> ListHistory {
    ListHistory { name: name.clone(), list: List::default(), revisions: Vec::new() }
}
