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
    pub(super) missing: Option<String>,
    /// Why the history or the older part of it is missing, if it is.
    pub(super) lost_history: Option<String>,
}

/// Returns the state with the highest revision that a snapshot or a creation of the list leads to.
pub(super) fn newest(name: &ListName, evidence: &Evidence) -> Proven {
    let created = evidence.revisions.values().filter(|revision| creates(revision));
    let bases = created.map(|revision| List::absent(revision.number.saturating_sub(1)));
    // Of states at the same revision the last one is taken, which is the one from the snapshot.
    let states = bases.chain(evidence.snapshot.clone()).map(|base| replay(base, evidence));
    let Some(list) = states.max_by_key(List::revision) else {
        return Proven { list: nothing(name), wake_up: None, missing: None, lost_history: None };
    };
    let (list, lost_history) = with_history(name, list, evidence);
    let wake_up = wake_up(&list.list, evidence);
    let missing = wake_up.is_none().then(|| "its wake-up time".into());
    Proven { list, wake_up: wake_up.flatten(), missing, lost_history }
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

/// Adds the revisions that lead to a state without a gap, back to the deletion of an earlier list of the name. Returns why
/// others are missing, if they are.
fn with_history(name: &ListName, list: List, evidence: &Evidence) -> (ListHistory, Option<String>) {
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
    if history.check().is_err() {
        let why = "its history, which does not lead to it".into();
        return (ListHistory { revisions: Vec::new(), ..history }, Some(why));
    }
    let lost = match history.revisions.first() {
        None => (history.list.revision() > 0).then(|| "its history".into()),
        Some(first) if creates(first) || first.changes.contains(&Change::DeleteList) => None,
        // A list that retains no older revisions has none that are sound.
        Some(first) => {
            let older = evidence.revisions.range(..first.number).next_back();
            older.map(|(older, _)| format!("the revisions of its history between {older} and {}", first.number))
        }
    };
    (history, lost)
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
