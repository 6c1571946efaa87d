//! From the contract's exports to a [`Logic`], with the list that the host has set.

use std::marker::PhantomData;

use crate::bindings::exports::hotlist::logic::todo_list_logic::Guest;
use crate::list::CurrentList;
use crate::{Change, Context, Description, Draft, EntryId, Field, Logic, Page, Patch, Query, Rejection};

/// The component that a logic makes.
#[derive(Debug)]
pub struct Component<L>(PhantomData<L>);

impl<L: Logic> Guest for Component<L> {
    fn describe() -> Description {
        L::describe()
    }

    fn add_entry(cx: Context, new: Draft) -> Result<Vec<Change>, Rejection> {
        L::add_entry(&CurrentList, &cx, new)
    }

    fn update_entry(cx: Context, id: EntryId, patch: Patch) -> Result<Vec<Change>, Rejection> {
        L::update_entry(&CurrentList, &cx, id, patch)
    }

    fn delete_entry(cx: Context, id: EntryId) -> Result<Vec<Change>, Rejection> {
        L::delete_entry(&CurrentList, &cx, id)
    }

    fn command(cx: Context, name: String, arguments: Vec<Field>) -> Result<Vec<Change>, Rejection> {
        L::command(&CurrentList, &cx, &name, arguments)
    }

    fn configure(cx: Context, settings: Vec<Field>) -> Result<Vec<Change>, Rejection> {
        L::configure(&CurrentList, &cx, settings)
    }

    fn entries(cx: Context, query: Query) -> Result<Page, Rejection> {
        L::entries(&CurrentList, &cx, &query)
    }

    fn next_wake_up(cx: Context) -> Option<u64> {
        L::next_wake_up(&CurrentList, &cx)
    }

    fn wake(cx: Context) -> Result<Vec<Change>, Rejection> {
        L::wake(&CurrentList, &cx)
    }

    fn migrate(cx: Context, from: String) -> Result<Vec<Change>, Rejection> {
        L::migrate(&CurrentList, &cx, &from)
    }
}
