//! `hotlist plugin …`: what authors of list logic use.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{complain, say};
use crate::list::name::LogicName;
use crate::list::revision::hex;
use crate::list::schema::{CommandSchema, Description, Schema};
use crate::logic::Logic;
use crate::plugins::build;
use crate::wasm::{self, CONTRACT, Contents, Engine, Isolation, Settings};

#[derive(Subcommand, Debug)]
pub(super) enum PluginCommand {
    /// Make a checked component of a Rust crate
    Build {
        /// The crate's directory
        #[arg(default_value = ".", value_name = "DIR")]
        directory: PathBuf,
        /// Where to write the component [default: NAME.wasm in the crate's directory]
        #[arg(long, short, value_name = "FILE", env = "HOTLIST_OUTPUT")]
        output: Option<PathBuf>,
        /// Build every plugin of the workspace in DIR into its plugins/built
        #[arg(long, env = "HOTLIST_ALL", conflicts_with = "output")]
        all: bool,
    },
    /// Say what a component is, and whether a server would take it
    Check {
        /// The component
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write JSON
        #[arg(long, env = "HOTLIST_JSON")]
        json: bool,
    },
}

pub(super) fn run(command: PluginCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::Build { directory, output, all } => build(&directory, output, all),
        PluginCommand::Check { file, json } => check(&file, json),
    }
}

fn build(directory: &Path, output: Option<PathBuf>, all: bool) -> anyhow::Result<ExitCode> {
    let guest_cargo = std::env::var_os(build::GUEST_CARGO).map(PathBuf::from);
    let built = if all {
        build::build_all(directory, guest_cargo.as_deref())?
    } else {
        vec![build::build(directory, &build::Options { output, guest_cargo })?]
    };
    let mut code = ExitCode::SUCCESS;
    for built in built {
        let bytes = read(&built.path)?;
        let size = bytes.len();
        match try_load(&built.path, &bytes) {
            Ok(logic) => say(&format!("{}: {} in {size} bytes", built.path.display(), logic.id())),
            Err(error) => {
                complain(&format!("{} was built, and no server would take it: {error}", built.path.display()));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn check(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let bytes = read(file)?;
    let contents = wasm::contents(&bytes);
    let loaded = try_load(file, &bytes);
    if json {
        say(&as_json(&bytes, contents.as_ref().ok(), &loaded).to_string());
    } else {
        as_text(&bytes, contents.as_ref().ok(), &loaded).iter().for_each(|line| say(line));
    }
    match loaded {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            complain(&format!("{} is not taken: {error}", file.display()));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Loads a component as a server would, under the default limits.
fn try_load(file: &Path, bytes: &[u8]) -> anyhow::Result<Box<dyn Logic>> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = LogicName::new(stem)
        .with_context(|| format!("{stem:?} is no name for a logic: call the file NAME.wasm, such as todo.wasm"))?;
    let engine = Engine::new(Settings::default())?;
    Ok(wasm::load(&engine, name, bytes, Isolation::Shared)?)
}

fn as_text(bytes: &[u8], contents: Option<&Contents>, loaded: &anyhow::Result<Box<dyn Logic>>) -> Vec<String> {
    let line = |name: &str, value: &str| format!("{name:<10}{value}");
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let mut lines = Vec::new();
    if let Ok(logic) = loaded {
        let description = logic.description();
        let schemas = |schemas: &[Schema]| list(schemas.iter().map(schema_text).collect());
        lines.push(line("logic", &logic.id().to_string()));
        lines.push(line("title", &description.title));
        lines.push(line("summary", &description.summary));
        lines.push(line("fields", &schemas(&description.fields)));
        lines.push(line("settings", &schemas(&description.settings)));
        let command = |c: &CommandSchema| {
            format!("{}({})", c.name, c.arguments.iter().map(schema_text).collect::<Vec<_>>().join(", "))
        };
        lines.push(line("commands", &list(description.commands.iter().map(command).collect())));
        lines.push(line("views", &list(description.views.iter().map(|view| view.name.clone()).collect())));
    }
    if let Some(contents) = contents {
        lines.push(line("contract", &format!("{} (this program speaks {CONTRACT})", contents.contract())));
        lines.push(line("imports", &list(contents.imports.clone())));
        lines.push(line("exports", &list(contents.exports.clone())));
    }
    lines.push(line("size", &format!("{} bytes", bytes.len())));
    lines.push(line("digest", &format!("sha256:{}", hex(&wasm::digest(bytes)))));
    lines
}

fn schema_text(schema: &Schema) -> String {
    let optional = if schema.required { "" } else { "?" };
    format!("{}{optional}: {}", schema.name, schema.kind.as_str())
}

fn as_json(bytes: &[u8], contents: Option<&Contents>, loaded: &anyhow::Result<Box<dyn Logic>>) -> Value {
    let mut report = json!({
        "size": bytes.len(),
        "digest": format!("sha256:{}", hex(&wasm::digest(bytes))),
        "taken": loaded.is_ok(),
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
