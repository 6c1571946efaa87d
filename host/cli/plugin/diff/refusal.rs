//! Whether a server would take the new version at all.

use std::time::Instant;

use super::place::Place;
use super::versions::{Versions, quarantine_of};
use crate::list::Limits;
use crate::list::printable::printable;
use crate::rollout::conformance::{self, Report};

/// Why a server refuses the new version, as one sentence. `None` if it takes it.
pub(super) fn refusal(place: &Place, versions: &Versions) -> anyhow::Result<Option<String>> {
    let new = &*versions.new;
    if let Some(why) = quarantine_of(place, &new.id().name, &new.id().digest)? {
        return Ok(Some(format!("{place} would not take it: it was quarantined, because {}", printable(&why))));
    }
    if new.id().digest == versions.old.id().digest {
        // It was taken before.
        return Ok(None);
    }
    let start = Instant::now();
    let clock = || start.elapsed();
    let probed = conformance::run(new, Limits::default(), &clock);
    if let Some(failed) = failed("it fails its gates", &probed) {
        return Ok(Some(failed));
    }
    let old = versions.old.binding();
    if old.is_schema_compatible(new.binding()) {
        return Ok(None);
    }
    let samples = conformance::sample_lists(old, versions.old.description());
    let migrated = conformance::migrate_lists(new, samples, &clock);
    Ok(failed("it does not migrate lists of the old version", &migrated))
}

fn failed(what: &str, report: &Report) -> Option<String> {
    let first = report.failures.first()?;
    let (failed, probes) = (report.failures.len(), report.probes);
    Some(format!("no server would take it: {what}: {failed} of {probes} probes failed; {}", printable(&first.line())))
}
