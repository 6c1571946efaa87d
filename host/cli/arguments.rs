//! Arguments of the program, and the rules for all flags that have an environment variable.
//!
//! An empty variable is not set. A flag without a value takes 1 or 0, true or false, and yes or no from its variable. An error
//! names the variable whose value it refuses.

use std::ffi::{OsStr, OsString};

use clap::builder::{BoolishValueParser, Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, CommandFactory, Error, FromArgMatches};

/// Reads arguments and environment variables.
pub(super) fn parse<T: CommandFactory + FromArgMatches>(arguments: &[OsString]) -> Result<T, Error> {
    let command = prepared(T::command());
    let matches =
        command.clone().try_get_matches_from(arguments).map_err(|error| name_variable(error, &command, arguments));
    T::from_arg_matches(&matches?).map_err(|error| error.format(&mut T::command()))
}

fn prepared(command: Command) -> Command {
    command.mut_args(prepared_flag).mut_subcommands(prepared)
}

fn prepared_flag(flag: Arg) -> Arg {
    let is_empty = flag.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let flag = if is_empty { flag.env(Resettable::Reset) } else { flag };
    let is_switch = matches!(flag.get_action(), ArgAction::SetTrue) && flag.get_env().is_some();
    if is_switch { flag.value_parser(BoolishValueParser::new()) } else { flag }
}

/// Adds to an error about a value of an environment variable which variable that is.
fn name_variable(mut error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(variable) = flag(command, arguments, shown).and_then(|flag| variable_of(flag, arguments)) else {
        return error;
    };
    let tip = format!("the value is that of the environment variable {variable}");
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    error
}

/// The flag that an error shows like `--listen <ADDRESS>`, of the command that the arguments name or of one around it.
fn flag<'a>(command: &'a Command, arguments: &[OsString], shown: &str) -> Option<&'a Arg> {
    let long = shown.strip_prefix("--")?.split([' ', '=', '[']).next();
    let named = (0..arguments.len()).find_map(|at| Some((at, command.find_subcommand(&arguments[at])?)));
    let inner = named.and_then(|(at, command)| flag(command, &arguments[at + 1..], shown));
    inner.or_else(|| command.get_arguments().find(|flag| flag.get_long() == long))
}

/// The variable of a flag, if the flag is not among the arguments.
fn variable_of(flag: &Arg, arguments: &[OsString]) -> Option<String> {
    let variable = flag.get_env().filter(|variable| std::env::var_os(variable).is_some())?;
    let long = format!("--{}", flag.get_long()?);
    let names_flag = |argument: &OsStr| {
        let argument = argument.to_string_lossy();
        argument == *long || argument.starts_with(&format!("{long}="))
    };
    let is_given = arguments.iter().any(|argument| names_flag(argument));
    (!is_given).then(|| variable.to_string_lossy().into_owned())
}
