//! Changes of a rollout on request: another live version, a candidate, the end of one.

use std::sync::Arc;
use std::time::Duration;

use super::super::candidate::{CanaryEnd, Then};
use super::super::digest::Digest;
use super::super::error::PublishError;
use super::super::event::Cause;
use super::super::on_fault::OnFault;
use super::super::resolve::Rollout;
use super::super::state::TransitionError;
use super::super::version::Version;
use super::super::version_selector::VersionSelector;
use super::Publisher;
use crate::list::digest::hex;
use crate::list::name::LogicName;

/// A change of a rollout on request. What is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RolloutUpdate {
    /// The version that becomes live.
    pub live: Option<VersionSelector>,
    /// The version that becomes the candidate; `Some(None)` withdraws the candidate.
    pub candidate: Option<Option<VersionSelector>>,
    /// The percentage of lists for which the candidate decides.
    pub percent: Option<u8>,
    /// Whether the candidate decides in the shadow of the live version.
    pub shadow: Option<bool>,
    /// When and how the canary ends by itself; `Some(None)` leaves that to an operator.
    pub end: Option<Option<CanaryTime>>,
    /// What happens to a command at which the live version fails.
    pub on_fault: Option<OnFault>,
    /// Whether lists share instances of the version that is live after the update.
    pub share: Option<bool>,
    /// Whether quarantined versions, and versions to which lists cannot migrate, are accepted.
    pub force: bool,
    /// The client that requests the update.
    pub client: Option<Arc<str>>,
}

/// How long a canary lasts, and what happens to the candidate then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CanaryTime {
    /// How long it lasts from now on.
    pub time: Duration,
    /// What happens then.
    pub then: Then,
}

impl RolloutUpdate {
    fn changes_candidate(&self) -> bool {
        self.percent.is_some() || self.shadow.is_some() || self.candidate.is_some() || self.end.is_some()
    }
}

/// What a candidate is to be.
struct Staged {
    version: Arc<Version>,
    percent: u8,
    shadow: bool,
    end: Option<CanaryEnd>,
}

impl Publisher {
    /// Applies a rollout update atomically. `loaded` has versions that were loaded for it. Returns a version that has to be
    /// loaded first, if there is one, and changes nothing then.
    pub fn apply(
        &self,
        name: &LogicName,
        update: &RolloutUpdate,
        loaded: &[Arc<Version>],
    ) -> Result<Option<Digest>, PublishError> {
        let unknown = || PublishError::Unknown(format!("logic {name}"));
        let rollout = self.registry.rollout(name).ok_or_else(unknown)?;
        let target = Target { name, rollout: &rollout, loaded, force: update.force };
        for selector in update.live.iter().chain(update.candidate.iter().flatten()) {
            let digest = target.digest_of(selector)?;
            if target.find_loaded(&digest).is_none() {
                return Ok(Some(digest));
            }
        }
        self.apply_to(&target, update).map(|()| None)
    }

    fn apply_to(&self, target: &Target<'_>, update: &RolloutUpdate) -> Result<(), PublishError> {
        let Target { name, rollout, .. } = *target;
        let live = update.live.as_ref().map(|selector| target.find(selector)).transpose()?;
        let cause = Cause::request(update.client.as_deref(), self.clock.now());
        let staged = target.staged(update, cause)?;
        let next_live = live.as_ref().or(rollout.live.as_ref());
        if let (Some(staged), Some(live), true) = (&staged, next_live, update.changes_candidate())
            && staged.version.digest() == live.digest()
        {
            return Err(PublishError::IsLive(staged.version.id().to_string()));
        }
        if !update.force {
            let in_canary = staged.as_ref().filter(|staged| staged.percent > 0).map(|staged| &staged.version);
            live.iter()
                .chain(in_canary)
                .try_for_each(|version| self.preparer.check_migration(&*version.logic, None))?;
        }
        self.change(name, |draft| {
            if let Some(on_fault) = update.on_fault {
                draft.state.set_on_fault(on_fault, cause);
            }
            if let Some(version) = &live {
                draft.state.release(version.digest(), update.force, cause)?;
                draft.publish(version, None, cause)?;
            }
            match &staged {
                Some(Staged { version, percent, shadow, end }) if update.changes_candidate() => {
                    draft.state.release(version.digest(), update.force, cause)?;
                    draft.stage(version, *percent, *shadow, end.clone(), cause)?;
                }
                None if update.changes_candidate() => draft.withdraw(cause),
                _ => {}
            }
            if let Some(is_shared) = update.share {
                let live = draft.state.live.ok_or(TransitionError::NothingLive)?;
                draft.state.share(&live, is_shared, cause)?;
            }
            Ok(())
        })
    }
}

/// What an update is applied to.
struct Target<'a> {
    name: &'a LogicName,
    rollout: &'a Rollout,
    /// Versions that were loaded for the update.
    loaded: &'a [Arc<Version>],
    force: bool,
}

impl Target<'_> {
    /// The candidate as it is to be. What the update does not mention stays as it is, if the version stays.
    fn staged(&self, update: &RolloutUpdate, cause: Cause<'_>) -> Result<Option<Staged>, PublishError> {
        let current = self.rollout.candidate.as_ref();
        let version = match &update.candidate {
            Some(Some(selector)) => Some(self.find(selector)?),
            Some(None) => None,
            None => current.map(|current| current.version.clone()),
        };
        let Some(version) = version else {
            let is_about_candidate = update.percent.is_some() || update.shadow.is_some() || update.end.is_some();
            return match is_about_candidate {
                true => Err(PublishError::NoCandidate),
                false => Ok(None),
            };
        };
        let current = current.filter(|current| current.version.digest() == version.digest());
        let percent = update.percent.or(current.map(|current| current.percent)).unwrap_or(0);
        let shadow = update.shadow.unwrap_or(current.is_some_and(|current| current.shadow.is_some()));
        let end = match update.end {
            Some(Some(_)) if percent == 0 => return Err(PublishError::EmptyCanary),
            Some(Some(CanaryTime { time, then })) => {
                let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                Some(CanaryEnd { until: cause.time.saturating_add(time), then, client: cause.client.map(Into::into) })
            }
            Some(None) => None,
            // Another live version stops a canary, so what was agreed for its end is over, too.
            None if update.live.is_some() => None,
            None => current.and(self.rollout.state.candidate.as_ref()).and_then(|candidate| candidate.end.clone()),
        };
        // A canary for no list has ended.
        Ok(Some(Staged { version, percent, shadow, end: end.filter(|_| percent > 0) }))
    }

    /// The version that a selector names, which is loaded.
    fn find(&self, selector: &VersionSelector) -> Result<Arc<Version>, PublishError> {
        let digest = self.digest_of(selector)?;
        let missing = || PublishError::Failed(format!("sha256:{} of {} is not loaded", hex(&digest), self.name));
        self.find_loaded(&digest).ok_or_else(missing)
    }

    fn find_loaded(&self, digest: &Digest) -> Option<Arc<Version>> {
        self.rollout.loaded().chain(self.loaded).find(|version| version.digest() == digest).cloned()
    }

    /// The version that a selector names. A quarantined version needs `force`.
    fn digest_of(&self, selector: &VersionSelector) -> Result<Digest, PublishError> {
        let Self { name, rollout, force, .. } = *self;
        let record = selector.find(&rollout.state, name, force)?;
        if !force {
            let allowed = rollout.state.check_not_quarantined(&record.digest);
            allowed.map_err(|error| PublishError::of_transition(error, name))?;
        }
        Ok(record.digest)
    }
}
