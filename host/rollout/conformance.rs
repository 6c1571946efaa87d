//! Conformance probes of a component, generated from its description and measured.
//!
//! The probes need nothing from the author of a logic, so they are a gate for any component. A component fails if a
//! call that fits its own description fails, or if instances give different answers to the same call. The module is
//! pure apart from the sessions it calls and the clock it gets.
//!
//! - `generate` makes the cases, `case` describes one, and `prober` runs it on several instances.
//! - The last cases are about large lists: one with as many entries as a list of the server may have, and one with much text.
//!   Rules that cannot live with such a list would fail there once a caller has made it.
//! - [`migrate_lists`] probes the migration of lists from another version, such as [`sample_lists`].
//! - [`Report`] has the failures and the [`Costs`].

mod case;
mod costs;
mod generate;
mod migration;
mod prober;
mod report;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use costs::{Costs, Sample, Spread};
pub use migration::{SCHEMA_KIND, migrate_lists, sample_lists};
pub use report::{Failure, Report};

use crate::list::Limits;
use crate::logic::Logic;

/// The number of failures after which the probes end. The first failures say enough, and each may take all the time
/// that a call is allowed.
pub const MAX_FAILURES: usize = 10;

/// How long the probes may take together. A component whose every answer takes nearly all the allowed time would
/// otherwise block its publisher for an hour.
pub const MAX_TIME: Duration = Duration::from_secs(20);

/// How long the probes of large lists may take together.
pub const MAX_TIME_LARGE: Duration = Duration::from_secs(10);

/// Probes a logic with all generated cases. `limits` are those of the server's lists. The clock returns the time since any fixed
/// moment.
pub fn run(logic: &dyn Logic, limits: Limits, clock: &dyn Fn() -> Duration) -> Report {
    let mut prober = prober::Prober::new(logic, clock);
    let mut report = Report::default();
    let start = clock();
    for case in generate::cases(logic.binding(), logic.description()) {
        if report.failures.len() >= MAX_FAILURES {
            break;
        }
        if clock().saturating_sub(start) > MAX_TIME {
            report.out_of_time = true;
            break;
        }
        // One failure of a kind is enough. The first is about the smallest list.
        if report.failures.iter().any(|failure| failure.name == case.name()) {
            continue;
        }
        report.probes += 1;
        if let Err(error) = prober.probe(&case) {
            report.failures.push(case.failure(error));
        }
    }
    report.costs = prober.costs();
    probe_large_lists(logic, limits, clock, &mut report);
    report
}

/// Probes large lists, each with one instance: the probes of small lists compared several. They are not measured, because
/// the costs are about lists as people have them.
fn probe_large_lists(logic: &dyn Logic, limits: Limits, clock: &dyn Fn() -> Duration, report: &mut Report) {
    if !report.failures.is_empty() || report.out_of_time {
        return;
    }
    let start = clock();
    for case in generate::large_cases(logic.binding(), logic.description(), limits) {
        if report.failures.len() >= MAX_FAILURES || clock().saturating_sub(start) > MAX_TIME_LARGE {
            break;
        }
        report.probes += 1;
        if let Err(error) = prober::probe_once(logic, &case)
            && !report.failures.iter().any(|failure| failure.name == case.name())
        {
            report.failures.push(case.failure(error));
        }
    }
}
