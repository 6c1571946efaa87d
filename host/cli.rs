//! The command line. `hotlist` alone is `hotlist serve`.

mod dev_log;
mod plugin;
mod serve;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

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
  hotlist --plugins ./rules                take ./rules/NAME.wasm as logic NAME, and watch for new versions
  hotlist plugin new my-rules              write the project of a plugin, in Rust, JavaScript or Python
  hotlist plugin dev my-rules              serve, and take it up anew each time it is saved
  hotlist plugin build my-rules            make a component of it
  hotlist plugin check rules/todo.wasm     say what a component is, whether a server would take it, and what it costs
  hotlist plugin test plugins/todo         build a plugin, and try its tables of cases on it
  hotlist plugin diff rules/todo.wasm      say which recorded commands it would decide differently than the live one

Every flag has an environment variable, named in its help. Exit codes: 0 done, 1 failed, 2 wrong usage.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve lists over HTTP (what `hotlist` does without a command)
    Serve(Box<serve::ServeArgs>),
    /// Build, check and test list logic
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
}

#[derive(Args, Debug)]
struct LogArgs {
    /// What to log: a level, or levels by module, such as `info,hotlist::actor=debug`
    ///
    /// [default: info; for `plugin dev` and `plugin diff`: warn]
    #[arg(long, global = true, env = "HOTLIST_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How to write the log
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

/// Reads the arguments of the process, and does what they say.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // clap writes help to the output and mistakes to the error output, each with its code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (usual, narrated) = match &cli.command {
        Some(Command::Plugin(plugin::PluginCommand::Dev(_))) => (dev_log::REST, true),
        Some(Command::Plugin(plugin::PluginCommand::Diff(_))) => (plugin::DIFF_LOG, false),
        _ => ("info", false),
    };
    let done = start_log(&cli.log, usual, narrated).and_then(|()| match cli.command {
        None => serve::serve(cli.serve),
        Some(Command::Serve(arguments)) => serve::serve(*arguments),
        Some(Command::Plugin(command)) => plugin::run(command),
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            print_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Logs to the error output, in colour if that is a terminal and nobody said `NO_COLOR`. What a
/// developer wants to see of decisions and rules is told on the output instead.
fn start_log(arguments: &LogArgs, usual: &str, narrated: bool) -> anyhow::Result<()> {
    let wanted = arguments.log.as_deref().unwrap_or(usual);
    let filter =
        EnvFilter::try_new(wanted).map_err(|error| anyhow::anyhow!("--log {wanted:?} is not a filter: {error}"))?;
    let log = fmt::layer().with_writer(std::io::stderr).with_ansi(coloured(&std::io::stderr()));
    let log = match arguments.log_format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    let told = narrated.then(|| dev_log::DevLog::default().with_filter(EnvFilter::new(dev_log::FILTER)));
    let started = registry().with(log.with_filter(filter)).with(told).try_init();
    started.map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))
}

/// Whether what is written there may be in colour: it is a terminal, and nobody said `NO_COLOR`.
fn coloured(output: &impl IsTerminal) -> bool {
    output.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[expect(clippy::print_stderr, reason = "the command line's own voice")]
fn print_error(message: &str) {
    eprintln!("error: {message}");
}

/// Says a line on the output. Where nobody reads that any more, as behind `| head`, there is nobody to tell.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The environment variables of a command's flags, each of which has to have one of this form.
    fn variables(command: &clap::Command, prefix: &str) -> Vec<String> {
        let flags = command.get_arguments().filter(|flag| flag.get_long().is_some());
        let named = flags.filter(|flag| !["help", "version"].contains(&flag.get_id().as_str()));
        let variable = |flag: &clap::Arg| {
            let variable = flag.get_env().and_then(|variable| variable.to_str()).unwrap_or_default();
            let name = flag.get_long().expect("flags are long").to_uppercase().replace('-', "_");
            assert_eq!(variable, format!("{prefix}{name}"));
            variable.to_owned()
        };
        named.map(variable).collect()
    }

    #[test]
    fn every_flag_has_an_environment_variable_and_no_server_shares_one_with_an_authors_tool() {
        let command = Cli::command();
        let serve = variables(command.find_subcommand("serve").expect("there is serve"), "HOTLIST_");
        assert_eq!(serve.len() + 2, variables(&command, "HOTLIST_").len());
        for tool in command.find_subcommand("plugin").expect("there is plugin").get_subcommands() {
            let prefix = if tool.get_name() == "dev" { "HOTLIST_DEV_" } else { "HOTLIST_" };
            // A comparison is of what a server has recorded, so it means the same directory.
            let meant = |name: &String| tool.get_name() == "diff" && name == "HOTLIST_DATA";
            let shared = variables(tool, prefix).into_iter().filter(|name| serve.contains(name) && !meant(name));
            let shared: Vec<_> = shared.collect();
            assert!(shared.is_empty(), "{}: {shared:?}", tool.get_name());
        }
    }
}
