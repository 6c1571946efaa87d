//! A kanban board: entries move through columns with limits.
//!
//! An entry stores its column and its rank within it as custom fields. The last column holds the
//! completed entries and no others: moving an entry there completes it, and completing it moves it
//! there.

mod board;
mod columns;
mod moves;
mod rank;
mod setup;

use hotlist_plugin::{
    Context, Decision, Description, Draft, EntryId, Field, FieldPatch, Fields, Kind, List, Logic, Page, Patch, Query,
    Rejection, Schema,
};

/// The logic of a board.
#[derive(Debug)]
pub struct Kanban;

impl Logic for Kanban {
    fn describe() -> Description {
        let summary = "A board of columns. Entries move from the first to the last, where they are completed.";
        let arguments = vec![
            Schema::new("entry", "Entry", Kind::Entry).required(),
            Schema::new("column", "Column", Kind::Text).required(),
            Schema::new("before", "Before", Kind::Entry),
        ];
        Description::new("Kanban", summary, env!("CARGO_PKG_VERSION"))
            .field(Schema::new(columns::COLUMN, "Column", Kind::Text))
            .field(Schema::new(rank::RANK, "Rank", Kind::Number))
            .setting(Schema::new(columns::COLUMNS, "Columns", Kind::Texts))
            .setting(Schema::new(columns::LIMITS, "Limits, such as \"Doing: 3\"", Kind::Texts))
            .command("move", "Move", arguments)
            .command("clear-completed", "Clear completed", vec![])
            .view("board", "Board")
    }

    fn add_entry(list: &impl List, _: &Context, new: Draft) -> Decision {
        moves::add(list, new)
    }

    fn update_entry(list: &impl List, _: &Context, id: EntryId, patch: Patch) -> Decision {
        moves::update(list, id, patch)
    }

    fn command(list: &impl List, _: &Context, name: &str, arguments: Vec<Field>) -> Decision {
        let arguments = arguments.as_slice();
        match (name, arguments.entry("entry"), arguments.text("column")) {
            ("move", Some(id), Some(column)) => moves::to(list, id, column, arguments.entry("before")),
            ("clear-completed", ..) => Ok(hotlist_todo::clear_completed(list)),
            _ => Err(Rejection::unknown_command(name)),
        }
    }

    fn configure(list: &impl List, _: &Context, settings: Vec<FieldPatch>) -> Decision {
        setup::configure(list, settings)
    }

    fn entries(list: &impl List, _: &Context, query: &Query) -> Result<Page, Rejection> {
        match query.view.as_deref() {
            None => Ok(hotlist_plugin::plain_page(list, query)),
            Some("board") => board::page(list, query),
            Some(other) => Err(Rejection::unknown_view(other)),
        }
    }

    fn migrate(list: &impl List, _: &Context, _: &str) -> Decision {
        Ok(setup::migrate(list))
    }
}

hotlist_plugin::export!(Kanban);

#[cfg(test)]
mod tests;
