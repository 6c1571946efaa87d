//! The versions in the JSON of a logic, found as a server finds them.

use anyhow::Context as _;
use serde_json::Value;

use crate::list::digest::parse_digest;
use crate::list::name::LogicName;
use crate::rollout::{Candidate, Digest, Quarantine, RolloutState, VersionRecord, VersionSelector};

/// The digest of the version that a selector names.
pub(super) fn exactly(logic: &Value, selector: &VersionSelector) -> anyhow::Result<Digest> {
    let name = LogicName::new(logic["name"].as_str().unwrap_or_default())?;
    Ok(selector.find(&state(logic)?, &name, true)?.digest)
}

/// The part of the rollout state that selectors look at.
fn state(logic: &Value) -> anyhow::Result<RolloutState> {
    let role = |member: &str| logic[member].is_object().then(|| digest(&logic[member])).transpose();
    let versions = logic["versions"].as_array().context("the server's reply has no versions")?;
    Ok(RolloutState {
        live: role("live")?,
        last_good: role("last_good")?,
        candidate: role("candidate")?.map(|digest| Candidate { digest, percent: 0, shadow: false, end: None }),
        versions: versions.iter().map(record).collect::<anyhow::Result<_>>()?,
        ..RolloutState::default()
    })
}

fn record(version: &Value) -> anyhow::Result<VersionRecord> {
    let number = version["version"].as_str().unwrap_or_default();
    let quarantine = |why: &str| Quarantine { time: 0, why: why.into(), failures: Vec::new() };
    Ok(VersionRecord {
        version: number.parse().context("the server's reply has a version without a number")?,
        digest: digest(version)?,
        source: String::new(),
        accepted: 0,
        published: true,
        held: false,
        shared: false,
        quarantine: version["why"].as_str().map(quarantine),
        released: Vec::new(),
        gates: None,
    })
}

fn digest(version: &Value) -> anyhow::Result<Digest> {
    let digits = version["digest"].as_str().and_then(|text| text.strip_prefix("sha256:"));
    digits.and_then(parse_digest).context("the server's reply has a version without a digest")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_means_in_a_reply_what_it_means_on_the_server() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let logic = json!({
            "name": "rules",
            "live": {"digest": digest("a")}, "last_good": {"digest": digest("b")},
            "versions": [
                {"version": "1.0.0", "digest": digest("b")},
                {"version": "1.1.0", "digest": digest("a")},
                {"version": "1.1.0", "digest": digest("c"), "why": "it failed"},
            ],
        });
        let found = |selector: &str| exactly(&logic, &selector.parse().unwrap()).map(|digest| digest[0]);
        assert_eq!((found("last-good").unwrap(), found("cc").unwrap(), found("1.0").unwrap()), (0xbb, 0xcc, 0xbb));
        let ambiguous = found("1.1.0").unwrap_err().to_string();
        assert!(ambiguous.contains("names 2 versions") && ambiguous.contains("quarantined"), "{ambiguous}");
        assert!(exactly(&json!({"name": "rules"}), &VersionSelector::LastGood).is_err());
    }
}
