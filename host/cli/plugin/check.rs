//! `hotlist plugin check`: what a component is, and whether a server accepts it.

mod gates;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use super::component::{load, logic_of, read};
use crate::cli::output::{print_error, print_line};
use crate::list::Limits;
use crate::list::digest::{digest_of, hex};
use crate::list::name::LogicName;
use crate::list::printable::printable;
use crate::list::schema::{CommandSchema, Description, Schema};
use crate::logic::Logic;
use crate::rollout::conformance;
use crate::wasm::{self, CONTRACT, Contents};
pub(super) use gates::case_of;

/// The default filter of the log. What the component prints at thousands of probes is left out.
pub(in crate::cli) const DEFAULT_LOG: &str = "info,hotlist::plugin=off";

pub(super) const HELP: &str = "\
The gates: probes are made from the component's description, always the same ones. Each is decided on
two instances of its own and on one that has decided others. All three must agree and none may fail;
a rejection is no failure. The table shows the cost of each command in fuel (about one WebAssembly
instruction), time and memory. The cost on a fresh instance includes the creation of the instance.

Exit codes: 0 a server accepts it, 1 a server refuses it or a gate failed, 2 wrong usage.";

pub(super) fn check(file: &Path, name: Option<LogicName>, json: bool) -> anyhow::Result<ExitCode> {
    let name = name.map_or_else(|| logic_of(file), Ok)?;
    let bytes = read(file)?;
    let contents = wasm::contents(&bytes);
    let loaded = load(name, &bytes);
    let start = Instant::now();
    let gates = loaded.as_ref().ok().map(|logic| {
        logic.probe(true);
        conformance::run(&**logic, Limits::default(), &|| start.elapsed())
    });
    if json {
        let mut report = as_json(&bytes, contents.as_ref().ok(), &loaded);
        report["gates"] = gates.as_ref().map_or(Value::Null, gates::as_json);
        print_line(&report.to_string());
    } else {
        as_text(&bytes, contents.as_ref().ok(), &loaded).iter().for_each(|line| print_line(line));
        gates.iter().flat_map(gates::as_text).for_each(|line| print_line(&line));
    }
    if let Err(error) = loaded {
        print_error(&format!("no server accepts {}: {error}", file.display()));
        return Ok(ExitCode::FAILURE);
    }
    match gates {
        Some(gates) if !gates.failures.is_empty() => {
            let (failed, probes) = (gates.failures.len(), gates.probes);
            print_error(&format!("{} fails its gates: {failed} of {probes} probes failed", file.display()));
            Ok(ExitCode::FAILURE)
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn as_text(bytes: &[u8], contents: Option<&Contents>, loaded: &anyhow::Result<Box<dyn Logic>>) -> Vec<String> {
    let line = |name: &str, value: &str| format!("{name:<10}{value}");
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let mut lines = Vec::new();
    if let Ok(logic) = loaded {
        let description = logic.description();
        let schemas = |schemas: &[Schema]| list(schemas.iter().map(schema_text).collect());
        lines.push(line("logic", &logic.id().to_string()));
        lines.push(line("title", &printable(&description.title)));
        lines.push(line("summary", &printable(&description.summary)));
        lines.push(line("fields", &schemas(&description.fields)));
        lines.push(line("settings", &schemas(&description.settings)));
        let command = |c: &CommandSchema| {
            format!("{}({})", c.name, c.arguments.iter().map(schema_text).collect::<Vec<_>>().join(", "))
        };
        lines.push(line("commands", &list(description.commands.iter().map(command).collect())));
        lines.push(line("views", &list(description.views.iter().map(|view| view.name.clone()).collect())));
    }
    if let Some(contents) = contents {
        let names = |names: &[String]| list(names.iter().map(|name| printable(name).into_owned()).collect());
        let contract = contents.contract();
        lines.push(line("contract", &format!("{} (this program speaks {CONTRACT})", printable(&contract))));
        lines.push(line("imports", &names(&contents.imports)));
        lines.push(line("exports", &names(&contents.exports)));
    }
    lines.push(line("size", &format!("{} bytes", bytes.len())));
    lines.push(line("digest", &format!("sha256:{}", hex(&digest_of(bytes)))));
    lines
}

fn schema_text(schema: &Schema) -> String {
    let optional = if schema.required { "" } else { "?" };
    let choices = match schema.choices.as_slice() {
        [] => String::new(),
        choices => format!(" ({})", printable(&choices.join(" | "))),
    };
    format!("{}{optional}: {}{choices}", schema.name, schema.kind.as_str())
}

fn as_json(bytes: &[u8], contents: Option<&Contents>, loaded: &anyhow::Result<Box<dyn Logic>>) -> Value {
    let mut report = json!({
        "size": bytes.len(),
        "digest": format!("sha256:{}", hex(&digest_of(bytes))),
        "accepted": loaded.is_ok(),
    });
    if let Some(contents) = contents {
        report["contract"] = contents.contract().into();
        report["imports"] = contents.imports.clone().into();
        report["exports"] = contents.exports.clone().into();
    }
    match loaded {
        Ok(logic) => report["description"] = description_json(logic.description()),
        Err(error) => report["why"] = format!("{error:#}").into(),
    }
    report
}

fn description_json(description: &Description) -> Value {
    let schemas = |schemas: &[Schema]| -> Value {
        let schema = |s: &Schema| json!({"name": s.name, "title": s.title, "kind": s.kind.as_str(), "required": s.required, "choices": s.choices});
        schemas.iter().map(schema).collect()
    };
    let commands: Value = description
        .commands
        .iter()
        .map(|c| json!({"name": c.name, "title": c.title, "arguments": schemas(&c.arguments)}))
        .collect();
    let views: Value = description.views.iter().map(|v| json!({"name": v.name, "title": v.title})).collect();
    json!({
        "title": description.title,
        "summary": description.summary,
        "version": description.version.to_string(),
        "fields": schemas(&description.fields),
        "settings": schemas(&description.settings),
        "commands": commands,
        "views": views,
    })
}
