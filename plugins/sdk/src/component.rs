//! Adapter from the contract's exports to a [`Logic`], with the list of the current call.

use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::exports::hotlist::logic::todo_list_logic::Guest;
use crate::list::CurrentList;
use crate::note;
use crate::{Change, Context, Description, Draft, EntryId, Field, FieldPatch, Logic, Page, Patch, Query, Rejection};

/// The component of a logic.
#[derive(Debug)]
pub struct Component<L>(PhantomData<L>);

/// Writes the message of a panic to the server's log. A component's standard error is discarded.
fn log_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| note(&panic.to_string()))));
}

impl<L: Logic> Guest for Component<L> {
    fn describe() -> Description {
        log_panics();
        L::describe()
    }

    fn add_entry(cx: Context, new: Draft) -> Result<Vec<Change>, Rejection> {
        log_panics();
        L::add_entry(&CurrentList, &cx, new)
    }

    fn update_entry(cx: Context, id: EntryId, patch: Patch) -> Result<Vec<Change>, Rejection> {
        log_panics();
        L::update_entry(&CurrentList, &cx, id, patch)
    }

    fn delete_entry(cx: Context, id: EntryId) -> Result<Vec<Change>, Rejection> {
        log_panics();
        L::delete_entry(&CurrentList, &cx, id)
    }

    fn command(cx: Context, name: String, arguments: Vec<Field>) -> Result<Vec<Change>, Rejection> {
        log_panics();
        L::command(&CurrentList, &cx, &name, arguments)
    }

    fn configure(cx: Context, settings: Vec<FieldPatch>) -> Result<Vec<Change>, Rejection> {
        log_panics();
        L::configure(&CurrentList, &cx, settings)
    }

    fn entries(cx: Context, query: Query) -> Result<Page, Rejection> {
        log_panics();
        L::entries(&CurrentList, &cx, &query)
    }

    fn next_wake_up(cx: Context) -> Option<u64> {
        log_panics();
        L::next_wake_up(&CurrentList, &cx)
    }

    fn wake(cx: Context) -> Result<Vec<Change>, Rejection> {
        log_panics();
        L::wake(&CurrentList, &cx)
    }

    fn migrate(cx: Context, from: String) -> Result<Vec<Change>, Rejection> {
        log_panics();
        L::migrate(&CurrentList, &cx, &from)
    }
}
