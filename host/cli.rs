//! The command line. `hotlist` alone is `hotlist serve`.

mod arguments;
mod backup;
mod compile;
mod dev_log;
mod export;
mod import;
mod log_fields;
mod logic;
mod lossy_output;
mod open_files;
mod output;
mod patterns;
mod plugin;
mod progress;
mod remote;
mod serve;
mod signals;
mod table;
mod upgrade;
mod verify;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use log_fields::PrintableFields;
use output::{Outputs, flush, is_stderr_coloured, print_error};

/// The target of the lines about panics, which no filter hides.
const PANIC_TARGET: &str = "hotlist::panic";

/// A multi-user todo server whose rules are WebAssembly components, swapped while it runs.
#[derive(Parser, Debug)]
#[command(name = "hotlist", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
    #[command(flatten)]
    log: LogArgs,
}

const EXAMPLES: &str = "\
Examples:
  hotlist                                  serve on http://127.0.0.1:8080, data in ./hotlist-data
  hotlist --plugins ./rules                load ./rules/NAME.wasm as logic NAME, and watch for new versions
  hotlist plugin new my-rules              create the project of a plugin, in Rust, JavaScript or Python
  hotlist plugin dev my-rules              serve, and rebuild and swap the plugin each time it is saved
  hotlist plugin build my-rules            build the component of a project
  hotlist plugin check rules/todo.wasm     show what a component is, whether a server accepts it, and what it costs
  hotlist plugin test plugins/todo         build a plugin and run its tables of cases
  hotlist plugin ask 'wake = true'         ask the plugin in this folder one question
  hotlist plugin diff rules/todo.wasm      show which recorded commands it decides differently than the live version
  hotlist logic status                     show the versions of a running server's rules; push, canary, promote, roll back
  hotlist backup /backups/today            copy the data while the server runs; hotlist restore brings it back
  hotlist verify                           check all data, and show what is damaged; --repair repairs it
  hotlist upgrade --check                  show what a start of this program changes in the data
  hotlist export --output lists.jsonl      write lists as JSON, also damaged ones; hotlist import reads them

Every flag has an environment variable, named in its help. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 exported
with something missing, or no answer of a server, 130 stopped at once by a second signal. SIGTERM and SIGINT stop a server in order. SIGHUP has `serve` read its plugins directory again.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve lists over HTTP (what `hotlist` does without a command)
    Serve(Box<serve::ServeArgs>),
    /// Copy a data directory while a server uses it
    #[command(after_help = backup::BACKUP_HELP)]
    Backup(backup::BackupArgs),
    /// Make a data directory from a backup
    Restore(backup::RestoreArgs),
    /// Check every file and row of a data directory, and repair it
    #[command(after_help = verify::HELP)]
    Verify(verify::VerifyArgs),
    /// Write lists with their history as JSON lines, also lists that cannot be read
    #[command(after_help = export::HELP)]
    Export(export::ExportArgs),
    /// Add the lists of an export to a data directory that no server uses
    #[command(after_help = import::HELP)]
    Import(import::ImportArgs),
    /// Show what an upgrade of a data directory does, or do it without a server
    #[command(after_help = upgrade::HELP)]
    Upgrade(upgrade::UpgradeArgs),
    /// Show and change which versions of rules a running server uses
    #[command(after_help = logic::HELP)]
    Logic(logic::LogicArgs),
    /// Build, check and test list logic
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Compile a component for a server
    #[command(hide = true)]
    Compile(compile::CompileArgs),
}

#[derive(Args, Debug)]
struct LogArgs {
    /// What to log: a level, or levels by module, such as `info,hotlist::actor=debug`
    ///
    /// [default: info; for `plugin dev` and `plugin diff`: warn]
    #[arg(long, global = true, env = "HOTLIST_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// The format of the log
    #[arg(long, global = true, env = "HOTLIST_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Lines for people, in colour on a terminal
    Text,
    /// One JSON object a line
    Json,
}

/// Runs the command that the arguments of the process name.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli: Cli = match arguments::parse(&arguments.into_iter().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help on the output and mistakes on the error output, each with its exit code.
            let is_printed = !error.print().is_err_and(|error| error.kind() != ErrorKind::BrokenPipe);
            let code = if is_printed { u8::try_from(error.exit_code()).unwrap_or(2) } else { 1 };
            return ExitCode::from(code);
        }
    };
    if let Some(Command::Compile(arguments)) = &cli.command {
        // Before anything else is started in the process, so that its limits hold for all of it.
        return compile::compile(arguments);
    }
    let (default_filter, with_dev_log) = match &cli.command {
        Some(Command::Plugin(plugin::PluginCommand::Dev(_))) => (dev_log::REMAINDER, true),
        Some(Command::Plugin(plugin::PluginCommand::Diff(_))) => (plugin::DIFF_LOG, false),
        Some(Command::Plugin(plugin::PluginCommand::Check { .. })) => (plugin::CHECK_LOG, false),
        Some(Command::Plugin(plugin::PluginCommand::Test(_) | plugin::PluginCommand::Ask(_))) => {
            (plugin::TEST_LOG, false)
        }
        Some(
            Command::Backup(_)
            | Command::Restore(_)
            | Command::Verify(_)
            | Command::Upgrade(_)
            | Command::Export(_)
            | Command::Import(_)
            | Command::Logic(_),
        ) => ("warn", false),
        _ => ("info", false),
    };
    let is_server =
        matches!(cli.command, None | Some(Command::Serve(_) | Command::Plugin(plugin::PluginCommand::Dev(_))));
    let outputs = if is_server { start_outputs() } else { Ok(()) };
    let log = outputs.and_then(|()| start_log(&cli.log, default_filter, with_dev_log));
    let done = log.and_then(|()| {
        // A panic of this thread ends the program, and its message is among the lines that are still to be written.
        let done = catch_unwind(AssertUnwindSafe(|| run_command(cli)));
        done.unwrap_or_else(|_| Err(anyhow::anyhow!("the program crashed")))
    });
    let code = done.unwrap_or_else(|error| {
        print_error(&format!("{error:#}"));
        ExitCode::FAILURE
    });
    flush();
    if let Some(error) = output::failure() {
        print_error(&format!("cannot write to the standard output: {error}"));
        return ExitCode::FAILURE;
    }
    code
}

fn run_command(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => serve::serve(cli.serve),
        Some(Command::Serve(arguments)) => serve::serve(*arguments),
        Some(Command::Backup(arguments)) => backup::back_up(&arguments),
        Some(Command::Restore(arguments)) => backup::restore(&arguments),
        Some(Command::Verify(arguments)) => verify::verify(&arguments),
        Some(Command::Export(arguments)) => export::run(&arguments),
        Some(Command::Import(arguments)) => import::run(&arguments),
        Some(Command::Upgrade(arguments)) => upgrade::upgrade(&arguments),
        Some(Command::Logic(arguments)) => Ok(logic::run(&arguments)),
        Some(Command::Plugin(command)) => plugin::run(command),
        Some(Command::Compile(arguments)) => Ok(compile::compile(&arguments)),
    }
}

/// Has a server write its lines without waiting for who reads them, also those about a panic.
fn start_outputs() -> anyhow::Result<()> {
    Outputs::start().context("cannot start the threads that write the log")?;
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
        if tracing::dispatcher::has_been_set() {
            tracing::error!(target: PANIC_TARGET, thread = thread.name(), backtrace, "{panic}");
        } else {
            print_error(&panic.to_string());
        }
    }));
    Ok(())
}

/// The directive for wasmtime's cache, whose thread warns of directories that are removed when a compilation ends.
const CACHE_DIRECTIVE: &str = "wasmtime_internal_cache=error";

/// The filter of the log, which always lets panics through.
fn log_filter(wanted: &str) -> anyhow::Result<EnvFilter> {
    // A word alone would be taken for a module of that name, and hide the lines of all others.
    let word = wanted.split(',').map(str::trim).find(|part| is_unknown_word(part));
    if let Some(word) = word {
        anyhow::bail!(
            "--log {wanted:?} is not a filter: there is no level {word:?}; write off, error, warn, info, debug or trace, or \
             a module and its level, such as hotlist::actor=debug"
        );
    }
    let parts: Vec<_> = wanted.split(',').map(str::trim).collect();
    let filter = EnvFilter::try_new(parts.join(","))
        .map_err(|error| anyhow::anyhow!("--log {wanted:?} is not a filter: {error}"))?;
    let panics = format!("{PANIC_TARGET}=error").parse().context("the directive for panics")?;
    let cache = CACHE_DIRECTIVE.parse().context("the directive for wasmtime's cache")?;
    Ok(filter.add_directive(panics).add_directive(cache))
}

/// Whether a part of a filter is neither a level nor a module.
fn is_unknown_word(part: &str) -> bool {
    let is_module = part.contains(['=', ':', '[']) || part == env!("CARGO_PKG_NAME");
    !is_module && part.parse::<LevelFilter>().is_err()
}

/// Starts the log on the error output. The developer's log of decisions goes to the standard output instead.
fn start_log(arguments: &LogArgs, default_filter: &str, with_dev_log: bool) -> anyhow::Result<()> {
    let wanted = arguments.log.as_deref().unwrap_or(default_filter);
    let filter = log_filter(wanted)?;
    let writer = || match Outputs::of_server() {
        Some(outputs) => BoxMakeWriter::new(|| outputs.stderr.clone()),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    // An error output that is closed is nothing to report on the error output.
    let log = fmt::layer().with_writer(writer()).with_ansi(is_stderr_coloured()).log_internal_errors(false);
    let log = match arguments.log_format {
        LogFormat::Text => log.fmt_fields(PrintableFields).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    let dev_log = with_dev_log.then(|| dev_log::DevLog::default().with_filter(EnvFilter::new(dev_log::FILTER)));
    let started = registry().with(log.with_filter(filter)).with(dev_log).try_init();
    started.map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_filter_hides_a_panic() {
        for wanted in ["off", "warn,hotlist=off", "hotlist::panic=off", "hotlist::actor=debug"] {
            let shown = Arc::new(AtomicUsize::new(0));
            let log = registry().with(CountEvents(shown.clone()).with_filter(log_filter(wanted).expect("a filter")));
            tracing::subscriber::with_default(log, || {
                tracing::error!(target: PANIC_TARGET, "a panic");
                tracing::error!(target: "hotlist::web", "hidden");
            });
            assert_eq!(shown.load(Ordering::Relaxed), 1, "{wanted}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_no_filter() {
        for wrong in ["verbose", "info,loud", "loud,info"] {
            assert!(log_filter(wrong).is_err(), "{wrong}");
        }
        for right in ["info", "OFF", "3", "warn, hotlist::web=debug", "hotlist", "hotlist[span{list=\"bob\"}]=trace"] {
            assert!(log_filter(right).is_ok(), "{right}");
        }
    }

    /// Counts the events that pass the filter.
    struct CountEvents(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for CountEvents {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The environment variables of a command's flags. Asserts that each flag has one of the form `PREFIX_FLAG`.
    fn variables(command: &clap::Command, prefix: &str) -> Vec<String> {
        let flags = command.get_arguments().filter(|flag| flag.get_long().is_some());
        let own = flags.filter(|flag| !["help", "version"].contains(&flag.get_id().as_str()));
        let variable = |flag: &clap::Arg| {
            let variable = flag.get_env().and_then(|variable| variable.to_str()).unwrap_or_default();
            let name = flag.get_long().expect("flags are long").to_uppercase().replace('-', "_");
            assert_eq!(variable, format!("{prefix}{name}"));
            variable.to_owned()
        };
        own.map(variable).collect()
    }

    #[test]
    fn every_flag_has_an_environment_variable_and_no_server_shares_one_with_an_authors_tool() {
        let command = Cli::command();
        let serve = variables(command.find_subcommand("serve").expect("there is serve"), "HOTLIST_");
        assert_eq!(serve.len() + 2, variables(&command, "HOTLIST_").len());
        for tool in command.find_subcommand("plugin").expect("there is plugin").get_subcommands() {
            let prefix = if tool.get_name() == "dev" { "HOTLIST_DEV_" } else { "HOTLIST_" };
            // A comparison and a question read what a server recorded, so all mean the same directory.
            let meant = |name: &String| ["diff", "ask"].contains(&tool.get_name()) && name == "HOTLIST_DATA";
            let shared = variables(tool, prefix).into_iter().filter(|name| serve.contains(name) && !meant(name));
            let shared: Vec<_> = shared.collect();
            assert!(shared.is_empty(), "{}: {shared:?}", tool.get_name());
        }
        // A variable that forces a start must not force an operator's change, too.
        let logic = command.find_subcommand("logic").expect("there is logic");
        assert_eq!(variables(logic, "HOTLIST_"), ["HOTLIST_SERVER", "HOTLIST_HEADER", "HOTLIST_JSON"]);
        logic.get_subcommands().for_each(|tool| drop(variables(tool, "HOTLIST_LOGIC_")));
    }
}
