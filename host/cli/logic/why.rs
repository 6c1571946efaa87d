//! `hotlist logic why`: the story of a quarantine or a refusal.

use serde_json::{Value, json};

use super::status::{Text, get};
use super::versions::exactly;
use crate::cli::output::{print_line, red};
use crate::cli::remote::Remote;
use crate::list::digest::hex;
use crate::list::name::LogicName;
use crate::rollout::VersionSelector;

pub(super) fn why(
    remote: &Remote,
    name: &LogicName,
    selector: Option<&VersionSelector>,
    json: bool,
) -> anyhow::Result<()> {
    let logic = get(remote, name)?;
    let version = match selector {
        Some(selector) => Some(find(&logic, selector)?),
        None => last_quarantined(&logic),
    };
    if json {
        print_line(&json!({ "version": version, "failure": logic["failure"] }).to_string());
        return Ok(());
    }
    let lines = match version {
        Some(version) => story(&logic, version),
        None => refusal(&logic),
    };
    lines.iter().for_each(|line| print_line(line));
    Ok(())
}

/// The version that was quarantined last, whether it still is or not.
fn last_quarantined(logic: &Value) -> Option<&Value> {
    let since = |version: &Value| {
        let released = version["released"].as_array().and_then(|released| released.last());
        let since = version["quarantined"].as_str().or_else(|| released?["quarantined"].as_str());
        since.map(str::to_owned)
    };
    let versions = logic["versions"].as_array()?.iter();
    versions.filter(|version| since(version).is_some()).max_by_key(|version| since(version))
}

fn story(logic: &Value, version: &Value) -> Vec<String> {
    let name = format!("{} ({})", version.text("version"), version.digest());
    let mut lines = Vec::new();
    let is_quarantined = version["quarantined"].is_string();
    if is_quarantined {
        lines.push(red(format!("{name} was quarantined at {}: {}", version.text("quarantined"), version.text("why"))));
        lines.extend(failures(&version["failures"]));
    }
    for released in version["released"].as_array().into_iter().flatten() {
        let by = released["client"].as_str().map(|_| format!(" by {}", released.text("client"))).unwrap_or_default();
        lines.push(format!("{name} was quarantined at {}: {}", released.text("quarantined"), released.text("why")));
        lines.extend(failures(&released["failures"]));
        lines.push(format!("That ended by force at {}{by}.", released.text("released")));
    }
    if lines.is_empty() {
        lines.push(format!("{name} was never quarantined; it is {}", version.text("state")));
    }
    if is_quarantined {
        lines.push(String::new());
        lines.extend(what_now(logic, version));
    }
    lines
}

/// The commands at which a version failed.
fn failures(failures: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for failure in failures.as_array().into_iter().flatten() {
        let by = failure["client"].as_str().map(|_| format!(", by {}", failure.text("client"))).unwrap_or_default();
        let revision = failure["revision"].as_u64().map(|revision| format!(" at revision {revision}"));
        let revision = revision.unwrap_or_default();
        lines.push(format!("  list {}{revision}, {}{by}", failure.text("list"), failure.text("time")));
        if failure["question"].is_string() {
            lines.push(format!("    command  {}", failure.text("question")));
        }
        lines.push(format!("    said     {}", failure.text("fault")));
    }
    lines
}

/// What decides now, and what an operator can do.
fn what_now(logic: &Value, version: &Value) -> Vec<String> {
    let (name, digest) = (logic.text("name"), version.digest());
    let decides = if logic["state"] == "quarantined" {
        format!("Now {name} refuses every command until you make a version live.")
    } else {
        format!("Now {} decides for the lists of {name}.", logic["live"].version())
    };
    let component = format!("/logic/{name}/versions/{}", version.text("digest"));
    vec![
        decides,
        "The same component is refused from now on. Repair it and push the new one:".into(),
        format!("  hotlist logic push {name} FILE"),
        format!("The component is at {component}. Against all recorded commands:"),
        format!("  hotlist plugin diff FILE --logic {name}"),
        "Or insist, which the record keeps:".into(),
        format!("  hotlist logic promote {name} {digest} --force"),
    ]
}

/// The story where no version was ever quarantined: the last refusal, or the last failure of a version.
fn refusal(logic: &Value) -> Vec<String> {
    let name = logic.text("name");
    if logic["failure"].is_string() {
        return vec![red(format!("the last component of {name} was refused: {}", logic.text("failure")))];
    }
    let mut lines = vec![format!("no version of {name} was ever quarantined, and no component was refused last")];
    for member in ["live", "candidate"] {
        let version = &logic[member];
        if version["last_fault"].is_string() {
            lines.push(format!(
                "{} failed {} times; the last time {}",
                version.version(),
                version.text("faults"),
                version.text("last_fault")
            ));
        }
    }
    lines
}

/// The version that a selector names, in the JSON of a logic.
fn find<'a>(logic: &'a Value, selector: &VersionSelector) -> anyhow::Result<&'a Value> {
    let digest = format!("sha256:{}", hex(&exactly(logic, selector)?));
    let mut versions = logic["versions"].as_array().into_iter().flatten();
    versions
        .find(|version| version["digest"] == digest)
        .ok_or_else(|| anyhow::anyhow!("there is no version {selector}"))
}
