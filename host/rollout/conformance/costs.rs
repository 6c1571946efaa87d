//! The cost of the probes.

use std::time::Duration;

/// The cost of the probes of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Costs {
    /// The kind of probe: `add-entry`, the name of a command, `view by-date`, `next-wake-up` …
    pub name: String,
    /// The number of probes.
    pub probes: usize,
    /// The number of probes that were rejected or refused, which is no failure.
    pub rejected: usize,
    /// The cost on an instance that had answered before.
    pub warm: Spread,
    /// The cost on a fresh instance, with its instantiation.
    pub fresh: Spread,
}

impl Costs {
    /// The number of probes that were accepted.
    pub fn accepted(&self) -> usize {
        self.probes - self.rejected
    }
}

/// The median and the maximum of several measurements.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spread {
    /// The median of each measure on its own.
    pub median: Sample,
    /// The maximum of each measure on its own.
    pub worst: Sample,
}

/// The cost of one probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// Fuel in wasmtime's unit: about one WebAssembly instruction.
    pub fuel: u64,
    /// Wall-clock time.
    pub time: Duration,
    /// The memory of the instance afterwards, in bytes.
    pub memory: usize,
}

/// The measurements of the probes of one kind.
pub(super) struct Measurements {
    pub(super) name: String,
    pub(super) rejected: usize,
    pub(super) warm: Vec<Sample>,
    pub(super) fresh: Vec<Sample>,
}

impl Measurements {
    pub(super) fn new(name: String) -> Self {
        Self { name, rejected: 0, warm: Vec::new(), fresh: Vec::new() }
    }

    pub(super) fn costs(&self) -> Costs {
        Costs {
            name: self.name.clone(),
            probes: self.warm.len(),
            rejected: self.rejected,
            warm: Spread::of(&self.warm),
            fresh: Spread::of(&self.fresh),
        }
    }
}

impl Spread {
    fn of(samples: &[Sample]) -> Self {
        fn ends<T: Ord + Copy + Default>(samples: &[Sample], measure: impl Fn(&Sample) -> T) -> (T, T) {
            let mut all: Vec<T> = samples.iter().map(measure).collect();
            all.sort_unstable();
            (all.get(all.len() / 2).copied().unwrap_or_default(), all.last().copied().unwrap_or_default())
        }
        let (fuel, most_fuel) = ends(samples, |sample| sample.fuel);
        let (time, most_time) = ends(samples, |sample| sample.time);
        let (memory, most_memory) = ends(samples, |sample| sample.memory);
        Self {
            median: Sample { fuel, time, memory },
            worst: Sample { fuel: most_fuel, time: most_time, memory: most_memory },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_maximum_are_taken_of_each_measure_on_its_own() {
        let sample = |fuel, time, memory| Sample { fuel, time: Duration::from_micros(time), memory };
        let spread = Spread::of(&[sample(9, 1, 4), sample(1, 3, 4), sample(5, 2, 8)]);
        assert_eq!((spread.median, spread.worst), (sample(5, 2, 4), sample(9, 3, 8)));
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
