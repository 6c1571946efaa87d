//! The default logic: a todo list of entries with a title, an optional date, and a completed flag.

mod rules;
mod views;

pub use rules::{check, clear_completed};
pub use views::entries;

use hotlist_plugin::{Context, Decision, Description, Entry, Field, List, Logic, Page, Query, Rejection};

/// Adds, updates and deletes entries as the SDK does by default, and refuses invalid entries.
#[derive(Debug)]
pub struct Todo;

impl Logic for Todo {
    fn describe() -> Description {
        let summary = "A plain todo list. Every entry has a title, and perhaps a date.";
        Description::new("Todo", summary, env!("CARGO_PKG_VERSION"))
            .command("clear-completed", "Clear completed", vec![])
            .view("by-date", "By date")
            .view("open", "Open")
            .view("done", "Done")
    }

    fn check(_: &impl List, _: &Context, new: &Entry, _: Option<&Entry>) -> Result<(), Rejection> {
        check(new)
    }

    fn command(list: &impl List, _: &Context, name: &str, _: Vec<Field>) -> Decision {
        match name {
            "clear-completed" => Ok(clear_completed(list)),
            _ => Err(Rejection::unknown_command(name)),
        }
    }

    fn entries(list: &impl List, _: &Context, query: &Query) -> Result<Page, Rejection> {
        entries(list, query)
    }

    /// Keeps the fields of other rules, so that a list can go back to them.
    fn migrate(_: &impl List, _: &Context, _: &str) -> Decision {
        Ok(Vec::new())
    }
}

#[cfg(feature = "component")]
hotlist_plugin::export!(Todo);

#[cfg(test)]
mod tests;
