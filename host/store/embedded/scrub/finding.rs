//! What a scrub finds.

use crate::list::name::ListName;

/// Damage that a scrub found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store::embedded) enum ScrubFinding {
    /// A list whose rows a reader finds damaged, too.
    Unreadable {
        /// The list.
        name: ListName,
        /// The damage.
        why: String,
    },
    /// A list that a reader takes for an older one or an absent one.
    Stale {
        /// The list.
        name: ListName,
        /// The rows that contradict each other.
        why: String,
    },
    /// A list that waits and has no timer.
    MissingTimer {
        /// The list.
        name: ListName,
        /// The time for which it waits.
        at: u64,
    },
    /// Damage that leaves the lists readable.
    Other {
        /// The list, if the damage is a list's.
        name: Option<ListName>,
        /// The damage.
        what: String,
    },
}

impl ScrubFinding {
    /// Damage of a table that no list accounts for.
    pub(in crate::store::embedded) fn of_table(what: String) -> Self {
        Self::Other { name: None, what }
    }

    /// The list that is concerned, if it is known, and the damage as a text.
    pub(in crate::store::embedded) fn into_text(self) -> (Option<ListName>, String) {
        match self {
            Self::Unreadable { name, why } | Self::Stale { name, why } => (Some(name), why),
            Self::MissingTimer { name, at } => {
                (Some(name), format!("its timer at {at} is missing, so it is not woken"))
            }
            Self::Other { name, what } => (name, what),
        }
    }
}
