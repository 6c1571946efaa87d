//! What an operator wants of a logic: another live version, a trial, the end of one.

use std::sync::Arc;

use super::super::{PluginError, RolloutUpdate};
use super::publisher::{Publisher, admit, may_decide};
use crate::list::digest::hex;
use crate::list::name::LogicName;
use crate::list::selector::Pin;
use crate::rollout::{Digest, RolloutState, Version, VersionRecord};

/// Who makes the changes that are asked for.
const SOURCE: &str = "request";

impl Publisher {
    /// Does what is wished, all or nothing.
    pub(super) fn apply(&self, name: &LogicName, update: &RolloutUpdate) -> Result<(), PluginError> {
        let state = self.registry.state(name).ok_or_else(|| PluginError::Unknown(format!("logic {name}")))?;
        let live = update.live.as_ref().map(|pin| self.find(name, &state, pin, update.force)).transpose()?;
        let trial = match (&update.candidate, &state.candidate) {
            (Some(Some(pin)), _) => Some(self.find(name, &state, pin, update.force)?),
            (None, Some(trial)) => Some(trial.version.clone()),
            (Some(None), _) | (None, None) => None,
        };
        let running = state
            .candidate
            .as_ref()
            .filter(|running| trial.as_ref().is_some_and(|trial| trial.digest() == running.version.digest()));
        let percent = update.percent.or(running.map(|trial| trial.percent)).unwrap_or(0);
        let shadow = update.shadow.unwrap_or(running.is_some_and(|trial| trial.shadow.is_some()));
        let changes_trial = update.percent.is_some() || update.shadow.is_some() || update.candidate.is_some();
        if trial.is_none() && (update.percent.is_some() || update.shadow.is_some()) {
            return Err(PluginError::NoCandidate);
        }
        let live_then = live.as_ref().or(state.live.as_ref());
        if let (Some(trial), Some(live), true) = (&trial, live_then, changes_trial)
            && trial.digest() == live.digest()
        {
            return Err(PluginError::IsLive(trial.logic.id().to_string()));
        }
        let mut decides = live.as_ref().into_iter().chain(trial.as_ref().filter(|_| percent > 0));
        if !update.force {
            decides.try_for_each(|version| self.takes_over(&*version.logic))?;
        }
        let now = self.clock.now();
        self.change(name, |state| {
            if let Some(version) = &live {
                admit(state, version.digest(), update.force, SOURCE, now)?;
                state.publish(version.clone(), None, SOURCE, now);
            }
            match &trial {
                Some(_) if changes_trial && state.live.is_none() => return Err(PluginError::NoLive(name.clone())),
                Some(version) if changes_trial => {
                    admit(state, version.digest(), update.force, SOURCE, now)?;
                    state.stage_candidate(version.clone(), percent, shadow, SOURCE, now);
                }
                None if changes_trial => state.withdraw(SOURCE, now),
                _ => {}
            }
            Ok(())
        })?;
        tracing::info!(logic = %name, ?update, "standing changed on request");
        Ok(())
    }

    /// The version that is meant, in memory. One that fell is only meant by whoever insists.
    fn find(
        &self,
        name: &LogicName,
        state: &RolloutState,
        pin: &Pin,
        force: bool,
    ) -> Result<Arc<Version>, PluginError> {
        let meant = state.versions.iter().filter(|known| pin.accepts(&known.id(name)));
        // Of a number, the newest that did not fall.
        let newest = meant.max_by(|a, b| {
            let rank = |known: &VersionRecord| (known.quarantine.is_none(), known.version.clone(), known.taken);
            rank(a).cmp(&rank(b))
        });
        let known = newest.ok_or_else(|| PluginError::Unknown(format!("version {pin} of {name}")))?;
        may_decide(state, &known.digest, force)?;
        self.kept_version(name, &known.digest).map_err(PluginError::Failed)
    }

    /// The bytes of a version's component.
    pub(super) fn component(&self, name: &LogicName, digest: &Digest) -> Result<Vec<u8>, PluginError> {
        let known = self.registry.state(name).is_some_and(|state| state.known(digest).is_some());
        if !known {
            return Err(PluginError::Unknown(format!("version sha256:{} of {name}", hex(digest))));
        }
        self.kept.component(name, digest).map_err(|error| PluginError::Failed(error.to_string()))
    }
}
