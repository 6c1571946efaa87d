//! Words that the representations of a rollout choose from.

use serde::Serialize;
use utoipa::ToSchema;

use crate::rollout::shadows::DifferenceKind;
use crate::rollout::{OnFault, Step, Then};

/// Declares the words for an enum of another module. Each variant has its word.
macro_rules! words {
    ($(#[$about:meta])* $name:ident as $schema:ident for $source:ident { $($(#[$what:meta])* $variant:ident,)* }) => {
        $(#[$about])*
        #[derive(Serialize, ToSchema)]
        #[schema(as = $schema)]
        #[serde(rename_all = "kebab-case")]
        pub(in crate::web) enum $name { $($(#[$what])* $variant,)* }

        impl From<$source> for $name {
            fn from(source: $source) -> Self {
                match source { $($source::$variant => Self::$variant,)* }
            }
        }
    };
}

/// State of a logic.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::web) enum LogicState {
    /// A version decides.
    Live,
    /// The live version is quarantined, and the logic refuses every command until another one is live.
    Quarantined,
    /// There are versions, and none is live.
    Retained,
    /// No version was ever accepted, or the stored state of the rollout cannot be read.
    Failed,
}

/// State of a version.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::web) enum VersionState {
    /// It decides.
    Live,
    /// Lists fall back to it.
    LastGood,
    /// It decides for some lists, or in the shadow of the live version.
    Candidate,
    /// It is stored.
    Retained,
    /// It failed too often.
    Quarantined,
}

words! {
    /// What happens to a command at which the live version fails.
    OnFaultBody as OnFault for OnFault {
        /// The last good version decides it.
        FallBack,
        /// It is refused.
        Refuse,
    }
}

words! {
    /// What happens to the candidate at the end of its canary.
    ThenBody as Then for Then {
        /// It becomes live.
        Live,
        /// It is withdrawn.
        Withdraw,
    }
}

words! {
    /// Kind of a difference between two versions.
    DifferenceKindBody as DifferenceKind for DifferenceKind {
        /// The changes differ.
        Changes,
        /// Only one version rejects the command, or the reasons differ.
        Rejection,
        /// The changes are the same, and a view differs.
        View,
        /// The candidate failed.
        Fault,
    }
}

words! {
    /// Kind of an event in a rollout.
    EventKind as LogicEventKind for Step {
        /// A version became live.
        Published,
        /// A component was checked and stored. It decides nothing yet.
        Stored,
        /// A component was refused.
        Refused,
        /// A version became the candidate, or its percentage or shadow changed.
        Candidate,
        /// A canary that would end by itself was stopped before.
        Stopped,
        /// The candidate was withdrawn.
        Withdrawn,
        /// A version failed too often.
        Quarantined,
        /// A quarantined version may decide again.
        Released,
        /// Lists may share instances of a version.
        Shared,
        /// Lists may not share instances of a version any more.
        Isolated,
        /// A version that nothing uses was deleted.
        Deleted,
        /// Another thing happens to commands at which the live version fails.
        OnFault,
    }
}
