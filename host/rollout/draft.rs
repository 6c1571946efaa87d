//! A rollout that is being changed: the new state, and the versions that are to be loaded with it.

use std::sync::Arc;

use super::candidate::{CanaryEnd, Candidate};
use super::digest::Digest;
use super::event::{Cause, FAILURES};
use super::state::{RolloutState, TransitionError};
use super::version::Version;
use super::version_record::{Gates, Quarantine};

/// How many versions of one logic are loaded because lists are pinned to them.
pub const MAX_SPARE: usize = 8;

/// A change of a rollout that is not in effect yet. Nothing is started or stopped before a draft is accepted, and a
/// draft in which a transition failed is discarded.
#[derive(Clone, Default)]
pub struct RolloutDraft {
    /// The new state.
    pub state: RolloutState,
    /// Loaded versions that may have a role, the preferred one of a digest first. The ones without a role are unloaded
    /// when the draft is accepted.
    pub(super) loaded: Vec<Arc<Version>>,
    /// Versions that are loaded because some list is pinned to them.
    pub(super) spare: Vec<Arc<Version>>,
}

impl RolloutDraft {
    /// A draft of a stored state and those of its versions that could be loaded.
    pub fn restored(state: RolloutState, loaded: Vec<Arc<Version>>) -> Self {
        Self { state, loaded, spare: Vec::new() }
    }

    /// Makes a version live, see [`RolloutState::publish`].
    pub fn publish(
        &mut self,
        version: &Arc<Version>,
        gates: Option<Gates>,
        cause: Cause<'_>,
    ) -> Result<(), TransitionError> {
        self.state.check_not_quarantined(version.digest())?;
        self.drop_missing(cause);
        self.state.learn(version.id(), &version.source, gates, cause.time);
        self.state.publish(version.digest(), cause)?;
        self.loaded.insert(0, version.clone());
        Ok(())
    }

    /// Remembers a version that decides nothing, see [`RolloutState::store`].
    pub fn store(&mut self, version: &Version, gates: Option<Gates>, cause: Cause<'_>) {
        self.state.store(version.id(), gates, cause);
    }

    /// Makes a version the candidate, see [`RolloutState::stage`].
    pub fn stage(
        &mut self,
        version: &Arc<Version>,
        percent: u8,
        shadow: bool,
        end: Option<CanaryEnd>,
        cause: Cause<'_>,
    ) -> Result<(), TransitionError> {
        self.drop_missing(cause);
        self.state.stage(Candidate { digest: *version.digest(), percent, shadow, end }, cause)?;
        self.loaded.insert(0, version.clone());
        Ok(())
    }

    /// Withdraws the candidate, see [`RolloutState::withdraw`].
    pub fn withdraw(&mut self, cause: Cause<'_>) {
        self.drop_missing(cause);
        self.state.withdraw(cause);
    }

    /// Forgets a version that nothing uses, see [`RolloutState::delete`].
    pub fn delete(&mut self, digest: &Digest, force: bool, cause: Cause<'_>) -> Result<(), TransitionError> {
        self.state.delete(digest, force, cause)?;
        self.spare.retain(|spare| spare.digest() != digest);
        Ok(())
    }

    /// Quarantines a version, see [`RolloutState::quarantine`].
    pub fn quarantine(&mut self, version: &Version, quarantine: Quarantine) -> Result<(), TransitionError> {
        self.drop_missing(Cause::new(FAILURES, quarantine.time));
        self.state.quarantine(version.digest(), quarantine)?;
        self.spare.retain(|spare| spare.digest() != version.digest());
        Ok(())
    }

    /// Adds a version that some list is pinned to. The one that was unused for longest is unloaded beyond
    /// [`MAX_SPARE`].
    pub fn add_spare(&mut self, version: &Arc<Version>) {
        if self.loaded.iter().chain(&self.spare).any(|loaded| loaded.digest() == version.digest()) {
            return;
        }
        if self.spare.len() >= MAX_SPARE {
            self.spare.sort_by_key(|spare| std::cmp::Reverse(spare.last_used()));
            self.spare.truncate(MAX_SPARE - 1);
        }
        self.spare.push(version.clone());
    }

    fn drop_missing(&mut self, cause: Cause<'_>) {
        let roles = self.state.roles(|digest| self.loaded.iter().any(|version| version.digest() == digest));
        self.state.set_roles(roles, cause);
    }
}
