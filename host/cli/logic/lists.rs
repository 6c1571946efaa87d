//! `hotlist logic lists`: the lists of a logic, with those in a canary, the pinned ones and those that are not migrated.

use clap::ValueEnum;
use serde_json::Value;

use super::status::Text;
use crate::cli::output::print_line;
use crate::cli::remote::Remote;
use crate::cli::table::aligned;
use crate::list::name::LogicName;

/// The heads of the table.
const HEAD: [&str; 5] = ["NAME", "REVISION", "WRITTEN BY", "PIN", "STATE"];

/// What is special about the version that decides about a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum State {
    /// The candidate decides about it
    Canary,
    /// It is pinned to a version
    Pinned,
    /// It stays with its version, because it could not migrate, or because it had no command since
    NotMigrated,
}

impl State {
    /// The word in queries.
    fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Pinned => "pinned",
            Self::NotMigrated => "not-migrated",
        }
    }
}

/// Prints lists page by page, because a logic may have any number of them.
pub(super) fn lists(remote: &Remote, name: &LogicName, state: Option<State>, json: bool) -> anyhow::Result<()> {
    let state = state.map(|state| format!("?state={}", state.as_str())).unwrap_or_default();
    let (mut next, mut is_first) = (Some(format!("/logic/{name}/lists{state}")), true);
    while let Some(path) = next {
        let reply = remote.get(&path)?;
        next = reply.next.clone();
        let page = reply.json()?;
        let lists = page.as_array().map(Vec::as_slice).unwrap_or_default();
        if json {
            lists.iter().for_each(|list| print_line(&list.to_string()));
        } else {
            table(lists, is_first).iter().for_each(|line| print_line(line));
        }
        is_first = false;
    }
    Ok(())
}

/// A page as a table, with a head if it is the first one.
fn table(lists: &[Value], has_head: bool) -> Vec<String> {
    let head = has_head.then(|| HEAD.map(str::to_owned));
    let rows: Vec<_> = head.into_iter().chain(lists.iter().map(row)).collect();
    aligned(&rows, HEAD.len()).into_iter().map(|line| line.trim_end().to_owned()).collect()
}

fn row(list: &Value) -> [String; HEAD.len()] {
    let states: Vec<_> = list["states"].as_array().into_iter().flatten().map(|state| state.text("")).collect();
    let states = if states.is_empty() { Value::Null.text("") } else { states.join(", ") };
    [list.text("name"), list.text("revision"), list.text("written_by"), list.text("pin"), states]
}
