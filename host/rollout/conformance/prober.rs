//! Probes on several instances of a logic, with their cost.

use std::time::Duration;

use super::case::{ProbeAnswer, ProbeCase, ProbeError};
use super::costs::{Costs, Measurements, Sample};
use crate::logic::{Fault, Logic, Session};
use crate::rollout::retry::retry_if_busy;

/// Probes a fresh instance once. A busy machine is no failure: at a limit on time, whether a probe of a large list fails depends
/// on the machine. The limits on fuel and memory are the same on every machine.
pub(super) fn probe_once(logic: &dyn Logic, case: &ProbeCase) -> Result<(), ProbeError> {
    let answer = logic.fresh_session().and_then(|mut session| case.ask(logic, session.as_mut()));
    match answer {
        Err(fault) if !fault.is_busy() => Err(fault.into()),
        _ => Ok(()),
    }
}

/// Probes a logic and measures the cost of each kind of probe.
pub(super) struct Prober<'a> {
    logic: &'a dyn Logic,
    clock: &'a dyn Fn() -> Duration,
    /// A session whose instance has answered before.
    warm: Option<Box<dyn Session + 'a>>,
    measurements: Vec<Measurements>,
}

impl<'a> Prober<'a> {
    /// Returns a prober of a logic. The clock returns the time since any fixed moment.
    pub(super) fn new(logic: &'a dyn Logic, clock: &'a dyn Fn() -> Duration) -> Self {
        Self { logic, clock, warm: None, measurements: Vec::new() }
    }

    /// The cost of the probes of each kind.
    pub(super) fn costs(&self) -> Vec<Costs> {
        self.measurements.iter().map(Measurements::costs).collect()
    }

    /// Probes two fresh instances, and one that answered other probes before. All three have to agree. The third
    /// shows whether an instance carries state from one call to the next.
    pub(super) fn probe(&mut self, case: &ProbeCase) -> Result<(), ProbeError> {
        let (first, first_cost) = retry_if_busy(|| self.probe_fresh(case), Fault::is_busy)?;
        let (second, second_cost) = retry_if_busy(|| self.probe_fresh(case), Fault::is_busy)?;
        first.check_same(&second)?;
        let (warm, warm_cost) = retry_if_busy(|| self.probe_warm(case), Fault::is_busy)?;
        first.check_same(&warm)?;
        let measurements = self.measurements(case.name());
        measurements.fresh.extend([first_cost, second_cost]);
        measurements.warm.push(warm_cost);
        measurements.rejected += usize::from(first.is_rejection());
        Ok(())
    }

    fn probe_fresh(&self, case: &ProbeCase) -> Result<(ProbeAnswer, Sample), Fault> {
        let start = (self.clock)();
        let mut session = self.logic.fresh_session()?;
        let answer = case.ask(self.logic, session.as_mut())?;
        Ok((answer, self.sample(session.as_ref(), start)))
    }

    fn probe_warm(&mut self, case: &ProbeCase) -> Result<(ProbeAnswer, Sample), Fault> {
        let mut session = match self.warm.take() {
            Some(session) => session,
            None => {
                let mut session = self.logic.session()?;
                case.ask(self.logic, session.as_mut())?; // the call that warms the instance is not measured
                session
            }
        };
        let start = (self.clock)();
        let answer = case.ask(self.logic, session.as_mut())?;
        let sample = self.sample(session.as_ref(), start);
        // Reused only after an answer, because a session ends with a failed call.
        self.warm = Some(session);
        Ok((answer, sample))
    }

    fn sample(&self, session: &dyn Session, start: Duration) -> Sample {
        let time = (self.clock)().saturating_sub(start);
        let cost = session.cost();
        Sample { fuel: cost.fuel, time, memory: cost.memory }
    }

    fn measurements(&mut self, name: String) -> &mut Measurements {
        let at = self.measurements.iter().position(|of_kind| of_kind.name == name).unwrap_or_else(|| {
            self.measurements.push(Measurements::new(name));
            self.measurements.len() - 1
        });
        &mut self.measurements[at]
    }
}
