//! Ends of canaries at their times, and the deletion of versions.

use std::sync::atomic::Ordering;

use super::super::candidate::{CanaryEnd, Then};
use super::super::digest::Digest;
use super::super::error::{PublishError, SubmitError};
use super::super::event::{CANARY, Cause};
use super::super::resolve::{LoadedCandidate, Rollout};
use super::super::state::TransitionError;
use super::Publisher;
use super::delay::Delay;
use crate::list::name::LogicName;

impl Publisher {
    /// Ends every canary whose time is over by now. A canary whose end could not be made durable goes on, and is tried again
    /// after a pause.
    pub fn end_canaries(&self) {
        let now = self.clock.now();
        let mut delays = self.canary_delays.lock();
        for (name, _) in self.registry.canary_ends().iter().filter(|(_, until)| *until <= now) {
            if delays.get(name).is_some_and(|delay| now < delay.until) {
                continue;
            }
            let before = delays.remove(name);
            if let Err(error) = self.end_canary(name, now) {
                let delay = Delay::after(before.as_ref(), now, error.to_string());
                if before.is_none_or(|before| before.why != delay.why) {
                    tracing::error!(logic = %name, %error, "cannot end a canary at its time; it goes on until that is possible");
                }
                delays.insert(name.clone(), delay);
            }
        }
    }

    fn end_canary(&self, name: &LogicName, now: u64) -> Result<(), PublishError> {
        let Some(rollout) = self.registry.rollout(name) else { return Ok(()) };
        let staged = rollout.state.candidate.clone();
        let Some(end) = staged.as_ref().and_then(|candidate| candidate.end.clone()) else { return Ok(()) };
        let CanaryEnd { then, client, .. } = &end;
        let cause = Cause { client: client.as_deref(), ..Cause::new(CANARY, now) };
        let obstacle = match then {
            Then::Live => self.obstacle(&rollout)?,
            Then::Withdraw => None,
        };
        self.change(name, |draft| {
            // An operator or a failure may have changed the candidate meanwhile.
            if draft.state.candidate != staged {
                return Ok(());
            }
            match (&obstacle, then, &rollout.candidate) {
                (Some(why), ..) => draft.state.stop_canary(why, cause),
                (None, Then::Live, Some(candidate)) => draft.publish(&candidate.version, None, cause)?,
                (None, ..) => draft.withdraw(cause),
            }
            Ok::<_, TransitionError>(())
        })
    }

    /// Why a candidate does not become live at the end of its canary.
    fn obstacle(&self, rollout: &Rollout) -> Result<Option<String>, PublishError> {
        let Some(LoadedCandidate { version, shadow, .. }) = &rollout.candidate else {
            return Ok(Some("it is not loaded".into()));
        };
        let faults = shadow.as_ref().map_or(0, |shadow| shadow.tally().fault.load(Ordering::Relaxed));
        if faults > 0 {
            return Ok(Some(format!("it failed {faults} times in the shadow of the live version")));
        }
        // Another version may be live than when the canary began.
        match self.preparer.check_migration(&*version.logic, None) {
            Ok(()) => Ok(None),
            Err(SubmitError::Rollout(error)) => Err(error),
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    /// Forgets a version that nothing uses. Its component is deleted with the next change, because the state before the last
    /// change still names it.
    pub fn delete(
        &self,
        name: &LogicName,
        digest: &Digest,
        force: bool,
        client: Option<&str>,
    ) -> Result<(), PublishError> {
        if self.registry.rollout(name).is_none() {
            return Err(PublishError::Unknown(format!("logic {name}")));
        }
        let cause = Cause::request(client, self.clock.now());
        self.change(name, |draft| draft.delete(digest, force, cause))
    }
}

#[cfg(test)]
mod tests;
