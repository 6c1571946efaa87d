//! From a query to a checked page: what the host does around a logic's answer to a reader.

use std::sync::Arc;

use super::{Fault, Session};
use crate::list::List;
use crate::list::change::{Rejection, Violation};
use crate::list::command::{Context, Page, Query};

/// The most rows a page may have.
pub const MAX_ROWS: usize = 1_000;

/// Asks for a page, and lets it through only if it is one.
pub fn read(
    session: &mut dyn Session,
    list: &Arc<List>,
    context: &Context,
    query: &Query,
) -> Result<Result<Page, Rejection>, Fault> {
    session.begin();
    let page = match session.view(list, context, query)? {
        Ok(page) => page,
        Err(rejection) => return Ok(Err(rejection)),
    };
    match check_page(list, query, &page) {
        Ok(()) => Ok(Ok(page)),
        Err(violation) => {
            // Whatever made it answer so may still be in its memory.
            session.spoil();
            Err(violation.into())
        }
    }
}

/// A page is about entries that are there, and no longer than was asked.
fn check_page(list: &List, query: &Query, page: &Page) -> Result<(), Violation> {
    let mut rows = page.groups.iter().flat_map(|group| &group.rows);
    if let Some(row) = rows.clone().find(|row| list.get(row.id).is_none()) {
        return Err(Violation::Content(format!("showed entry {}, which is not in the list", row.id)));
    }
    if page.groups.len() > MAX_ROWS || rows.nth(query.limit.min(MAX_ROWS)).is_some() {
        return Err(Violation::Content(format!("showed more than the {} rows asked for", query.limit)));
    }
    Ok(())
}
