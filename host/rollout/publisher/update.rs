//! Changes of a rollout on request: another live version, a candidate, the end of one.

use std::sync::Arc;

use super::super::error::PublishError;
use super::super::resolve::Rollout;
use super::super::state::VersionRecord;
use super::super::version::Version;
use super::Publisher;
use crate::list::name::LogicName;
use crate::list::selector::Pin;

/// The source of the events of an update.
const SOURCE: &str = "request";

/// A change of a rollout on request. What is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RolloutUpdate {
    /// The version that becomes live.
    pub live: Option<Pin>,
    /// The version that becomes the candidate; `Some(None)` withdraws the candidate.
    pub candidate: Option<Option<Pin>>,
    /// The percentage of lists for which the candidate decides.
    pub percent: Option<u8>,
    /// Whether the candidate decides in the shadow of the live version.
    pub shadow: Option<bool>,
    /// Whether quarantined versions, and versions to which lists cannot migrate, are accepted.
    pub force: bool,
}

impl RolloutUpdate {
    fn changes_candidate(&self) -> bool {
        self.percent.is_some() || self.shadow.is_some() || self.candidate.is_some()
    }
}

/// What a candidate is to be.
struct Staged {
    version: Arc<Version>,
    percent: u8,
    shadow: bool,
}

impl Publisher {
    /// Applies a rollout update atomically.
    pub fn apply(&self, name: &LogicName, update: &RolloutUpdate) -> Result<(), PublishError> {
        let unknown = || PublishError::Unknown(format!("logic {name}"));
        let rollout = self.registry.rollout(name).ok_or_else(unknown)?;
        let live = update.live.as_ref().map(|pin| self.find(name, &rollout, pin, update.force)).transpose()?;
        let staged = self.staged(name, &rollout, update)?;
        let next_live = live.as_ref().or(rollout.live.as_ref());
        if let (Some(staged), Some(live), true) = (&staged, next_live, update.changes_candidate())
            && staged.version.digest() == live.digest()
        {
            return Err(PublishError::IsLive(staged.version.id().to_string()));
        }
        if !update.force {
            let in_canary = staged.as_ref().filter(|staged| staged.percent > 0).map(|staged| &staged.version);
            live.iter().chain(in_canary).try_for_each(|version| self.check_migration(&*version.logic))?;
        }
        let now = self.clock.now();
        self.change(name, |draft| {
            if let Some(version) = &live {
                draft.state.release(version.digest(), update.force, SOURCE, now)?;
                draft.publish(version, None, SOURCE, now)?;
            }
            match &staged {
                Some(Staged { version, percent, shadow }) if update.changes_candidate() => {
                    draft.state.release(version.digest(), update.force, SOURCE, now)?;
                    draft.stage(version, *percent, *shadow, SOURCE, now)?;
                }
                None if update.changes_candidate() => draft.withdraw(SOURCE, now),
                _ => {}
            }
            Ok(())
        })?;
        tracing::info!(logic = %name, ?update, "changed a rollout on request");
        Ok(())
    }

    /// The candidate as it is to be. What the update does not mention stays as it is, if the version stays.
    fn staged(
        &self,
        name: &LogicName,
        rollout: &Rollout,
        update: &RolloutUpdate,
    ) -> Result<Option<Staged>, PublishError> {
        let current = rollout.candidate.as_ref();
        let version = match &update.candidate {
            Some(Some(pin)) => Some(self.find(name, rollout, pin, update.force)?),
            Some(None) => None,
            None => current.map(|current| current.version.clone()),
        };
        let Some(version) = version else {
            return match update.percent.is_some() || update.shadow.is_some() {
                true => Err(PublishError::NoCandidate),
                false => Ok(None),
            };
        };
        let current = current.filter(|current| current.version.digest() == version.digest());
        let percent = update.percent.or(current.map(|current| current.percent)).unwrap_or(0);
        let shadow = update.shadow.unwrap_or(current.is_some_and(|current| current.shadow.is_some()));
        Ok(Some(Staged { version, percent, shadow }))
    }

    /// The version that a pin names, loaded: the newest one of a number. A quarantined version needs `force`.
    fn find(&self, name: &LogicName, rollout: &Rollout, pin: &Pin, force: bool) -> Result<Arc<Version>, PublishError> {
        let named = rollout.state.versions.iter().filter(|record| pin.accepts(&record.id(name)));
        let newest = named.max_by(|a, b| {
            let rank = |record: &VersionRecord| (record.quarantine.is_none(), record.version.clone(), record.accepted);
            rank(a).cmp(&rank(b))
        });
        let record = newest.ok_or_else(|| PublishError::Unknown(format!("version {pin} of {name}")))?;
        if !force {
            let allowed = rollout.state.check_not_quarantined(&record.digest);
            allowed.map_err(|error| PublishError::of_transition(error, name))?;
        }
        self.loaded(name, &record.digest).map_err(PublishError::Failed)
    }
}
