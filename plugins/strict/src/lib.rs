//! A todo list with stricter rules: no title twice on a day, and a limit on open entries.
//!
//! It adds two rules to the default logic.

mod rules;

pub use rules::OPEN_LIMIT;

use hotlist_plugin::{Context, Decision, Description, Entry, Field, List, Logic, Page, Query, Rejection};
use hotlist_todo::Todo;

/// The default logic with two more rules.
#[derive(Debug)]
pub struct Strict;

impl Logic for Strict {
    fn describe() -> Description {
        let summary = "A todo list with at most 5 open entries, and no title twice on one day.";
        Description {
            title: "Strict".into(),
            summary: summary.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..Todo::describe()
        }
    }

    fn check(list: &impl List, _: &Context, new: &Entry, before: Option<&Entry>) -> Result<(), Rejection> {
        hotlist_todo::check(new)?;
        rules::few_open(list, new, before)?;
        rules::not_twice(list, new, before)
    }

    fn command(list: &impl List, cx: &Context, name: &str, arguments: Vec<Field>) -> Decision {
        Todo::command(list, cx, name, arguments)
    }

    fn entries(list: &impl List, _: &Context, query: &Query) -> Result<Page, Rejection> {
        hotlist_todo::entries(list, query)
    }

    fn migrate(list: &impl List, cx: &Context, from: &str) -> Decision {
        Todo::migrate(list, cx, from)
    }
}

hotlist_plugin::export!(Strict);

#[cfg(test)]
mod tests;
