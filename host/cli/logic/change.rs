//! Commands that change which versions decide, and what they print: the events that the change caused.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;

use super::misuse::Misuse;
use super::status::{Text, get};
use super::versions::exactly;
use crate::cli::output::{green, print_line};
use crate::cli::remote::{Remote, list_path};
use crate::list::name::{ListName, LogicName};
use crate::list::selector::Pin;
use crate::rollout::{PublishError, Then, VersionSelector};

/// The media type of components.
const WASM: &str = "application/wasm";

/// The media type of changes.
const JSON: &str = "application/json";

/// What is pushed, and how.
#[derive(Args, Debug)]
pub(super) struct PushArgs {
    /// The logic
    #[arg(value_name = "NAME", value_parser = LogicName::new)]
    name: LogicName,
    /// The component
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make it live
    #[arg(long, env = "HOTLIST_LOGIC_LIVE")]
    live: bool,
    /// Check it only, and change nothing
    #[arg(long, env = "HOTLIST_LOGIC_DRY_RUN")]
    dry_run: bool,
    /// Accept it although it is quarantined or fails its gates
    #[arg(long, env = "HOTLIST_LOGIC_FORCE")]
    force: bool,
}

/// A change that the server made.
pub(super) struct Changed {
    name: LogicName,
    /// The logic after the change.
    after: Value,
    /// The sentences of the events that the change caused.
    events: Vec<String>,
}

impl Changed {
    pub(super) fn print(&self, json: bool) {
        if json {
            return print_line(&self.after.to_string());
        }
        for event in &self.events {
            print_line(&format!("{} {event}", green(&self.name)));
        }
        if self.events.is_empty() {
            print_line(&format!("{}: nothing was changed", self.name));
        }
    }
}

pub(super) fn shadow(
    remote: &Remote,
    name: &LogicName,
    version: &VersionSelector,
    is_on: bool,
) -> anyhow::Result<Changed> {
    patch(remote, name, &with_candidate(version, json!({ "shadow": is_on })))
}

pub(super) fn canary(
    remote: &Remote,
    name: &LogicName,
    version: &VersionSelector,
    percent: u8,
    end: Option<(&str, Then)>,
) -> anyhow::Result<Changed> {
    let mut body = with_candidate(version, json!({ "percent": percent }));
    if let Some((until, then)) = end {
        body["until"] = until.into();
        body["then"] = then.as_str().into();
    }
    patch(remote, name, &body)
}

/// The body that changes a candidate. The server knows which version is the candidate, so only another one is named.
fn with_candidate(version: &VersionSelector, mut body: Value) -> Value {
    if *version != VersionSelector::Candidate {
        body["candidate"] = version.to_string().into();
    }
    body
}

pub(super) fn promote(
    remote: &Remote,
    name: &LogicName,
    version: &VersionSelector,
    force: bool,
) -> anyhow::Result<Changed> {
    patch(remote, name, &json!({ "live": version.to_string(), "force": force }))
}

pub(super) fn withdraw(remote: &Remote, name: &LogicName) -> anyhow::Result<Changed> {
    patch(remote, name, &json!({ "candidate": null }))
}

pub(super) fn delete(
    remote: &Remote,
    name: &LogicName,
    version: &VersionSelector,
    force: bool,
) -> anyhow::Result<Changed> {
    let before = get(remote, name)?;
    let digest = Pin::Digest(exactly(&before, version)?);
    let path = format!("/logic/{name}/versions/{digest}?force={force}");
    remote.send(Method::DELETE, &path, None, Vec::new())?.ok()?;
    changed(name, &before, get(remote, name)?)
}

fn patch(remote: &Remote, name: &LogicName, body: &Value) -> anyhow::Result<Changed> {
    let before = get(remote, name)?;
    let body = body.to_string().into_bytes();
    let after = remote.send(Method::PATCH, &format!("/logic/{name}"), Some(JSON), body)?.json()?;
    changed(name, &before, after)
}

fn changed(name: &LogicName, before: &Value, after: Value) -> anyhow::Result<Changed> {
    let events = new_events(before, &after);
    Ok(Changed { name: name.clone(), after, events })
}

/// The sentences of the events that came after the last one of an earlier state.
fn new_events(before: &Value, after: &Value) -> Vec<String> {
    let events = |logic: &Value| logic["events"].as_array().cloned().unwrap_or_default();
    let known = events(before).pop();
    let mut new: Vec<_> = events(after).into_iter().rev().take_while(|event| Some(event) != known.as_ref()).collect();
    new.reverse();
    new.iter().map(|event| event.text("text")).collect()
}

/// Sends a component.
pub(super) fn push(remote: &Remote, push: &PushArgs, json: bool) -> anyhow::Result<()> {
    let PushArgs { name, file, live, dry_run, force } = push;
    let unreadable = |error| Misuse(format!("cannot read {}: {error}", file.display()));
    let component = fs::read(file).map_err(unreadable)?;
    let path = format!("/logic/{name}?publish={live}&dry-run={dry_run}&force={force}");
    let pushed = remote.send(Method::PUT, &path, Some(WASM), component)?.json()?;
    if json {
        print_line(&pushed.to_string());
        return Ok(());
    }
    let done = match (dry_run, live) {
        (true, _) => "would be accepted; nothing was changed",
        (false, true) => "is live",
        (false, false) => role(&get(remote, name)?, &pushed["digest"]),
    };
    print_line(&format!("{} {} ({}) {done}", green(name), pushed.text("version"), pushed.digest()));
    let gates = &pushed["gates"];
    if gates.is_object() {
        let time = format!("{} µs", gates.text("worst_micros"));
        print_line(&format!(
            "gates    {} probes, at most {} fuel, {time}",
            gates.text("probes"),
            gates.text("worst_fuel")
        ));
        lines("forced", &gates["forced"]);
        lines("differs", &gates["differs"]);
    }
    if pushed["released"].is_object() {
        print_line(&format!("released it was quarantined, because {}", pushed["released"].text("why")));
    }
    Ok(())
}

/// What a version does that was pushed without being made live. The bytes may be those of a version that was pushed before.
fn role(logic: &Value, digest: &Value) -> &'static str {
    if logic["live"]["digest"] == *digest {
        "is live already"
    } else if logic["candidate"]["digest"] == *digest {
        "is stored, and is the candidate already"
    } else {
        "is stored, and decides nothing yet"
    }
}

/// Prints a line for each text of an array.
fn lines(head: &str, texts: &Value) {
    for text in texts.as_array().into_iter().flatten() {
        print_line(&format!("{head:<8} {}", text.text("")));
    }
}

/// Pins a list that exists to a version, or removes its pin.
pub(super) fn pin(
    remote: &Remote,
    name: &LogicName,
    version: Option<&VersionSelector>,
    list: &ListName,
    json: bool,
) -> anyhow::Result<()> {
    let logic = match version {
        None => name.to_string(),
        // The newest version of a number is another one tomorrow, which is what such a pin means.
        Some(VersionSelector::Pin(pin)) => format!("{name}@{pin}"),
        Some(selector) => format!("{name}@{}", Pin::Digest(exactly(&get(remote, name)?, selector)?)),
    };
    let path = list_path(list);
    // To bind a list to another logic is to migrate it, which is not what is asked for.
    let bound = remote.get(&path)?.json()?.text("logic");
    if bound != name.as_str() {
        return Err(PublishError::Unknown(format!(
            "list {:?} with the logic {name}: its logic is {bound}",
            list.as_str()
        ))
        .into());
    }
    let body = json!({ "logic": logic }).to_string().into_bytes();
    let reply = remote.send_if_exists(Method::PUT, &path, JSON, body)?;
    let pinned = reply.json()?;
    if json {
        print_line(&pinned.to_string());
        return Ok(());
    }
    let decides = match version {
        Some(_) => format!("is pinned to {logic}"),
        None => format!("follows the live version of {name}"),
    };
    print_line(&format!("{} {decides}", green(pinned.text("name"))));
    Ok(())
}
