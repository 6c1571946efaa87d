//! The result of the conformance probes.

use super::costs::{Costs, Sample};

/// The result of the conformance probes of a component.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of probes.
    pub probes: usize,
    /// Whether probes were left out because the time was up, see [`MAX_TIME`](super::MAX_TIME).
    pub out_of_time: bool,
    /// The cost of the probes of each kind, in the order of their first probe.
    pub costs: Vec<Costs>,
    /// The failures: one for each kind of probe, and at most [`MAX_FAILURES`](super::MAX_FAILURES).
    pub failures: Vec<Failure>,
}

/// A probe that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The kind of probe, as in [`Costs::name`].
    pub name: String,
    /// The probe in the notation of a case file.
    pub probe: String,
    /// The list that the probe was about.
    pub list: String,
    /// The kind of fault, as [`Fault::kind`](crate::logic::Fault::kind) names it.
    pub kind: &'static str,
    /// The fault in words.
    pub why: String,
    /// The probe as a whole case that fails as the probe did, unless its list is too large for one.
    pub case: Option<String>,
}

impl Report {
    /// The highest cost of all probes. Each measure is taken on its own.
    pub fn worst(&self) -> Sample {
        let samples = self.costs.iter().flat_map(|costs| [costs.warm.worst, costs.fresh.worst]);
        samples.fold(Sample::default(), |worst, sample| Sample {
            fuel: worst.fuel.max(sample.fuel),
            time: worst.time.max(sample.time),
            memory: worst.memory.max(sample.memory),
        })
    }
}

impl Failure {
    /// The failure in one line, for the message that rejects a component.
    pub fn line(&self) -> String {
        format!("asked {} about {}: {}", self.probe, self.list, self.why)
    }
}
