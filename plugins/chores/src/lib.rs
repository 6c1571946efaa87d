//! Recurring chores: a chore that was done opens again when it is due, and then it is the next person's
//! turn.
//!
//! An entry with a rule is a chore, and its date is the day on which it is due. Doing a chore completes it
//! and sets its date to the next due day. On that day the list wakes and opens it again. A chore that is
//! not done stays open and overdue, and does not accumulate.

mod chore;
mod rotation;
mod rule;
mod setup;
mod views;
mod waking;
mod zone;

use hotlist_plugin::{
    Context, Decision, Description, Draft, EntryId, Field, FieldPatch, Fields, Kind, List, Logic, Page, Patch, Query,
    Rejection, Schema,
};

/// The logic of a list of chores.
#[derive(Debug)]
pub struct Chores;

impl Logic for Chores {
    fn describe() -> Description {
        let summary = "Chores that come back when they are due again, and go round the people of the house.";
        let entry = || vec![Schema::new("entry", "Entry", Kind::Entry).required()];
        Description::new("Chores", summary, env!("CARGO_PKG_VERSION"))
            .field(Schema::new(chore::RULE, "Rule, such as \"weekly on mon, thu\"", Kind::Text))
            .field(Schema::new(chore::ASSIGNEE, "Whose turn it is", Kind::Text))
            .field(Schema::new(chore::DONE_ON, "Done on", Kind::Date))
            .setting(Schema::new(zone::TIME_ZONE, "Time zone, such as \"+01:00\"", Kind::Text))
            .setting(Schema::new(rotation::ROTATION, "People, in turn", Kind::Texts))
            .command("complete", "Done", entry())
            .command("skip", "Skip this time", entry())
            .view("overdue", "Overdue")
            .view("today", "Today")
            .view("upcoming", "Upcoming")
            .wakes()
    }

    fn add_entry(list: &impl List, cx: &Context, new: Draft) -> Decision {
        chore::add(list, cx, new)
    }

    fn update_entry(list: &impl List, cx: &Context, id: EntryId, patch: Patch) -> Decision {
        chore::update(list, cx, id, patch)
    }

    fn command(list: &impl List, cx: &Context, name: &str, arguments: Vec<Field>) -> Decision {
        match (name, arguments.entry("entry")) {
            ("complete", Some(id)) => chore::complete(list, cx, id),
            ("skip", Some(id)) => chore::skip(list, cx, id),
            _ => Err(Rejection::unknown_command(name)),
        }
    }

    fn configure(list: &impl List, cx: &Context, settings: Vec<FieldPatch>) -> Decision {
        setup::configure(list, cx, settings)
    }

    fn entries(list: &impl List, cx: &Context, query: &Query) -> Result<Page, Rejection> {
        views::page(list, cx, query)
    }

    fn next_wake_up(list: &impl List, cx: &Context) -> Option<u64> {
        waking::next(list, cx)
    }

    fn wake(list: &impl List, cx: &Context) -> Decision {
        Ok(waking::reopen(list, zone::Local::of(list, cx).today))
    }

    fn migrate(list: &impl List, cx: &Context, _: &str) -> Decision {
        Ok(setup::migrate(list, cx))
    }
}

hotlist_plugin::export!(Chores);

#[cfg(test)]
mod tests;
