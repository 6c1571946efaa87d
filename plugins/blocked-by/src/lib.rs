//! Entries with dependencies: an entry that depends on an open one is blocked, and dependencies have no
//! cycles.

mod completion;
mod cycle;
mod links;
mod views;

use hotlist_plugin::{
    Context, Decision, Description, Draft, EntryId, Field, Fields, Kind, List, Logic, Page, Patch, Query, Rejection,
    Schema, Value,
};

/// The setting that allows completing a blocked entry.
const STRICT: &str = "strict";

/// The logic of a list whose entries depend on each other.
#[derive(Debug)]
pub struct BlockedBy;

impl Logic for BlockedBy {
    fn describe() -> Description {
        let summary = "Entries that depend on others, and cannot be completed before them.";
        let arguments = |name, title| {
            vec![
                Schema::new("entry", "Entry", Kind::Entry).required(),
                Schema::new(name, title, Kind::Entries).required(),
            ]
        };
        Description::new("Blocked by", summary, env!("CARGO_PKG_VERSION"))
            .field(Schema::new(links::DEPENDS_ON, "Depends on", Kind::Entries))
            .setting(Schema::new(STRICT, "What is blocked cannot be completed", Kind::Boolean))
            .command("link", "Depends on", arguments("on", "What it depends on"))
            .command("unlink", "Depends no more on", arguments("from", "What it depends on no more"))
            .command("delete-entries", "Delete all entries", vec![])
            .view("ready", "Ready")
            .view("blocked", "Blocked")
    }

    fn add_entry(list: &impl List, _: &Context, new: Draft) -> Decision {
        links::add(list, new)
    }

    fn update_entry(list: &impl List, _: &Context, id: EntryId, patch: Patch) -> Decision {
        links::update(list, id, patch)
    }

    fn delete_entry(list: &impl List, _: &Context, id: EntryId) -> Decision {
        completion::delete(list, id)
    }

    fn command(list: &impl List, _: &Context, name: &str, arguments: Vec<Field>) -> Decision {
        match (name, arguments.entry("entry")) {
            ("delete-entries", _) => Ok(completion::delete_all(list)),
            ("link", Some(id)) => links::link(list, id, arguments.entries("on")),
            ("unlink", Some(id)) => links::unlink(list, id, arguments.entries("from")),
            _ => Err(Rejection::unknown_command(name)),
        }
    }

    fn entries(list: &impl List, _: &Context, query: &Query) -> Result<Page, Rejection> {
        views::page(list, query)
    }
}

/// Whether the list is strict; true unless the setting says otherwise.
fn is_strict(list: &impl List) -> bool {
    list.setting(STRICT) != Some(Value::Boolean(false))
}

hotlist_plugin::export!(BlockedBy);

#[cfg(test)]
mod tests;
