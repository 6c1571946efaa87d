//! Queries for pages, with the host's checks around a logic's answers.

use std::sync::Arc;

use super::Session;
use super::fault::Fault;
use crate::list::List;
use crate::list::change::{Rejection, Violation};
use crate::list::command::{Context, Page, Query};

/// The most rows of a page.
pub const MAX_ROWS: usize = 1_000;

/// Queries a page and checks it.
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
            // The state that led to this answer may still be in the instance's memory.
            session.poison();
            Err(violation.into())
        }
    }
}

/// Checks that a page shows existing entries only, and no more rows than the query allows.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::change::Change;
    use crate::list::command::{Group, Row};
    use crate::list::entry::Entry;
    use crate::logic::{Call, Decision};

    /// A session that shows rows with these ids for every query, and records whether it is poisoned.
    struct FixedPage(Vec<u64>, bool);

    impl Session for FixedPage {
        fn begin(&mut self) {}

        fn poison(&mut self) {
            self.1 = true;
        }

        fn decide(&mut self, _: &Arc<List>, _: &Context, _: Call<'_>) -> Result<Decision, Fault> {
            Ok(Ok(Vec::new()))
        }

        fn view(&mut self, _: &Arc<List>, _: &Context, _: &Query) -> Result<Result<Page, Rejection>, Fault> {
            let rows = self.0.iter().map(|&id| Row { id, computed: Vec::new() }).collect();
            Ok(Ok(Page {
                groups: vec![Group { name: String::new(), title: String::new(), computed: Vec::new(), rows }],
                more: false,
            }))
        }

        fn next_wake_up(&mut self, _: &Arc<List>, _: &Context) -> Result<Option<u64>, Fault> {
            Ok(None)
        }
    }

    #[test]
    fn a_session_that_gave_a_bad_page_is_poisoned() {
        let entry =
            |id| Entry { id, title: String::new(), date: None, completed: false, order: None, fields: Vec::new() };
        let changes = [1, 2, 3].map(|id| Change::put(entry(id)));
        let list = Arc::new(List::default().apply(&changes).unwrap());
        let today = "2026-11-23".parse().unwrap();
        let context = Context { now: 0, today, utc_offset: 0, caller: "ann".into(), seed: 1 };
        let query = Query { limit: 2, ..Query::default() };
        for (ids, good) in [(vec![1, 2], true), (vec![1, 4], false), (vec![1, 2, 3], false)] {
            let mut session = FixedPage(ids, false);
            let page = read(&mut session, &list, &context, &query);
            assert_eq!((page.is_ok(), session.1), (good, !good), "{page:?}");
        }
    }
}
