//! `hotlist plugin …`: the tools for authors of list logic.

mod ask;
mod check;
mod component;
mod dev;
mod diff;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use super::output::{print_error, print_line};
use crate::authoring::build::{self, Language};
use crate::authoring::scaffold;
use crate::list::name::LogicName;
use component::{guest_cargo, load, read};

pub(super) use check::DEFAULT_LOG as CHECK_LOG;
pub(super) use diff::DEFAULT_LOG as DIFF_LOG;
pub(super) use test::DEFAULT_LOG as TEST_LOG;

#[derive(Subcommand, Debug)]
pub(super) enum PluginCommand {
    /// Ask a plugin one question, and show its answer, what it prints, and what that costs
    #[command(after_help = ask::HELP)]
    Ask(ask::AskArgs),
    /// Create a small project that builds, tests and runs as it is
    New {
        /// The name of the plugin and of the project's folder
        #[arg(value_name = "NAME", value_parser = LogicName::new)]
        name: LogicName,
        /// The language of the plugin
        #[arg(long, env = "HOTLIST_LANG", value_name = "LANGUAGE", default_value = "rust")]
        lang: Lang,
    },
    /// Build a project in Rust, JavaScript or Python into a checked component
    ///
    /// The first build of a project installs its tools with npm or pip, and says so.
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
    /// Show what a component is, whether a server accepts it, and what its commands cost
    #[command(after_help = check::HELP)]
    Check {
        /// The component
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The logic that it is a version of [default: the name of FILE, without a version]
        #[arg(long, env = "HOTLIST_NAME", value_name = "NAME", value_parser = LogicName::new)]
        name: Option<LogicName>,
        /// Write JSON
        #[arg(long, env = "HOTLIST_JSON")]
        json: bool,
    },
    /// Serve, and rebuild and swap a plugin each time it is saved
    ///
    /// Watches the sources, builds them on every save, swaps the component between two commands, runs
    /// the cases, and shows build errors and decisions. After a failed build the old version stays live.
    Dev(dev::DevArgs),
    /// Show how another version decides the recorded commands
    #[command(after_help = diff::HELP)]
    Diff(diff::DiffArgs),
    /// Run tables of cases (*.cases.toml) against a plugin
    #[command(after_help = test::HELP)]
    Test(test::TestArgs),
}

/// The languages by their names on the command line.
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
        PluginCommand::Ask(arguments) => ask::ask(&arguments),
        PluginCommand::New { name, lang } => new(&name, lang),
        PluginCommand::Build { directory, output, all } => build(&directory, output, all),
        PluginCommand::Check { file, name, json } => check::check(&file, name, json),
        PluginCommand::Dev(arguments) => dev::dev(arguments),
        PluginCommand::Diff(arguments) => diff::diff(&arguments),
        PluginCommand::Test(arguments) => test::test(&arguments),
    }
}

fn new(name: &LogicName, lang: Lang) -> anyhow::Result<ExitCode> {
    scaffold::new(Path::new("."), name, lang.into())?;
    print_line(&format!("created {name}, with cases and a README. Next:\n\n    cd {name}\n    hotlist plugin dev\n"));
    print_line("and change the rules while it runs.");
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
        let name = LogicName::new(&built.name).with_context(|| format!("{:?} is no name for a logic", built.name))?;
        match load(name, &bytes) {
            Ok(logic) => print_line(&format!("{}: {} in {size} bytes", built.path.display(), logic.id())),
            Err(error) => {
                print_error(&format!("built {}, which no server accepts: {error}", built.path.display()));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
