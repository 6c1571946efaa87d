//! `hotlist plugin …`: what authors of list logic use.

mod check;
mod dev;
mod diff;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use super::{print_error, say};
use crate::authoring::build::{self, Language};
use crate::authoring::scaffold;
use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::wasm::{self, Engine, Isolation, Settings};

pub(super) use diff::USUAL_LOG as DIFF_LOG;

#[derive(Subcommand, Debug)]
pub(super) enum PluginCommand {
    /// Write a small project that builds, tests and runs as it stands
    New {
        /// What the plugin is called; the project's folder gets that name, too
        #[arg(value_name = "NAME", value_parser = LogicName::new)]
        name: LogicName,
        /// The language to write it in
        #[arg(long, env = "HOTLIST_LANG", value_name = "LANGUAGE", default_value = "rust")]
        lang: Lang,
    },
    /// Make a checked component of a project in Rust, JavaScript or Python
    ///
    /// The first build of a project installs what it needs with npm or pip, and says so.
    Build {
        /// The project's directory
        #[arg(default_value = ".", value_name = "DIR")]
        directory: PathBuf,
        /// Where to write the component [default: NAME.wasm in the project's directory]
        #[arg(long, short, value_name = "FILE", env = "HOTLIST_OUTPUT")]
        output: Option<PathBuf>,
        /// Build every Rust plugin of the workspace in DIR into its plugins/built
        #[arg(long, env = "HOTLIST_ALL", conflicts_with = "output")]
        all: bool,
    },
    /// Say what a component is, whether a server would take it, and what its commands cost
    #[command(after_help = check::HELP)]
    Check {
        /// The component
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write JSON
        #[arg(long, env = "HOTLIST_JSON")]
        json: bool,
    },
    /// Serve, and take a plugin up anew each time it is saved
    ///
    /// Watches the sources, builds them on every save, swaps the component between two commands, tries
    /// the cases, and shows build errors and the decisions made. A build that fails leaves the old
    /// version live.
    Dev(dev::DevArgs),
    /// Say what another version would have decided about everything that is recorded
    #[command(after_help = diff::HELP)]
    Diff(diff::DiffArgs),
    /// Try tables of cases (*.cases.toml) on a plugin's rules
    #[command(after_help = test::HELP)]
    Test(test::TestArgs),
}

/// The languages, as they are named on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Lang {
    /// Small and fast: components of 70 KB, decisions in a microsecond
    Rust,
    /// On the QuickJS engine: components of 1 MB
    Js,
    /// On CPython: components of 18 MB
    Python,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Js => Self::JavaScript,
            Lang::Python => Self::Python,
        }
    }
}

pub(super) fn run(command: PluginCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::New { name, lang } => new(&name, lang),
        PluginCommand::Build { directory, output, all } => build(&directory, output, all),
        PluginCommand::Check { file, json } => check::check(&file, json),
        PluginCommand::Dev(arguments) => dev::dev(arguments),
        PluginCommand::Diff(arguments) => diff::diff(&arguments),
        PluginCommand::Test(arguments) => test::test(&arguments),
    }
}

fn new(name: &LogicName, lang: Lang) -> anyhow::Result<ExitCode> {
    scaffold::new(Path::new("."), name, lang.into())?;
    say(&format!("{name} is there, with its cases and a README. Now:\n\n    cd {name}\n    hotlist plugin dev\n"));
    say("and change the rules while it runs.");
    Ok(ExitCode::SUCCESS)
}

fn build(directory: &Path, output: Option<PathBuf>, all: bool) -> anyhow::Result<ExitCode> {
    let guest_cargo = guest_cargo();
    let built = if all {
        build::build_all(directory, guest_cargo.as_deref())?
    } else {
        vec![build::build(directory, &build::Options { output, guest_cargo, ..build::Options::default() })?]
    };
    let mut code = ExitCode::SUCCESS;
    for built in built {
        let bytes = read(&built.path)?;
        let size = bytes.len();
        match try_load(&built.path, &bytes) {
            Ok(logic) => say(&format!("{}: {} in {size} bytes", built.path.display(), logic.id())),
            Err(error) => {
                print_error(&format!("{} was built, and no server would take it: {error}", built.path.display()));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// The cargo to build guests with, where the environment names one.
fn guest_cargo() -> Option<PathBuf> {
    std::env::var_os(build::GUEST_CARGO).map(PathBuf::from)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The logic that a component is a version of, by the name of its file.
fn name_of(file: &Path) -> anyhow::Result<LogicName> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    LogicName::new(stem)
        .with_context(|| format!("{stem:?} is no name for a logic: call the file NAME.wasm, such as todo.wasm"))
}

/// Loads a component as a server would, under the default limits.
fn try_load(file: &Path, bytes: &[u8]) -> anyhow::Result<Box<dyn Logic>> {
    let name = name_of(file)?;
    let engine = Engine::new(Settings::default())?;
    Ok(wasm::load(&engine, name, bytes, Isolation::Shared)?)
}
