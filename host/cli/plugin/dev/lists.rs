//! The lists of a session: read for the gates, and deleted to begin anew.

use std::sync::Arc;

use crate::actor::Request;
use crate::cache::Cache;
use crate::cli::output::print_error;
use crate::list::List;
use crate::list::command::Command;
use crate::list::name::{ListName, LogicName};

/// The most lists whose migration the gates probe. A session has few.
const MAX_PROBED_LISTS: usize = 100;

/// The most lists that one look at the store names.
const PAGE: usize = 100;

/// The caller of the session's own commands.
pub(super) const CALLER: &str = "anonymous";

/// The lists of a logic, at most [`MAX_PROBED_LISTS`]. Lists that cannot be read are left out: they are not migrated
/// either.
pub(super) async fn of_logic(cache: &Cache, logic: &LogicName) -> Vec<Arc<List>> {
    let mut lists = Vec::new();
    for name in names(cache).await {
        if lists.len() < MAX_PROBED_LISTS
            && let Ok(list) = cache.read(&name).await
            && list.logic() == Some(logic)
        {
            lists.push(list);
        }
    }
    lists
}

/// Deletes all lists. Returns how many there were.
pub(super) async fn delete_all(cache: &Cache) -> usize {
    let mut deleted = 0;
    for name in names(cache).await {
        match cache.call(&name, Request::new(Command::DeleteList, CALLER)).await {
            Ok(_) => deleted += 1,
            Err(error) => print_error(&format!("cannot delete list {}: {error}", name.as_str())),
        }
    }
    deleted
}

/// The names of all lists that can be read.
async fn names(cache: &Cache) -> Vec<ListName> {
    let mut names: Vec<ListName> = Vec::new();
    loop {
        let page = match cache.page(names.last(), PAGE).await {
            Ok(page) => page,
            Err(error) => {
                print_error(&format!("cannot read the lists of the session: {error}"));
                return names;
            }
        };
        let is_last = page.len() < PAGE;
        let read = names.len();
        names.extend(page.into_iter().flatten().map(|list| list.name));
        if is_last || names.len() == read {
            return names;
        }
    }
}
