//! Range of a history: the revisions that a request asks for, by numbers, days and order.

use super::problem::Problem;
use super::query::{HistoryQuery, Order};
use super::state::Web;
use crate::actor::CallError;
use crate::cache::Cache;
use crate::list::date::Date;
use crate::list::name::ListName;
use crate::store::{HistoryPage, PageLimit, RetainedRevision};

/// The page limit of a look at one revision.
const ONE: PageLimit = PageLimit { items: 1, bytes: 0 };

/// Revisions between two numbers, which do not belong to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    after: u64,
    before: u64,
}

/// Reads the page of a history that a request asks for. `last` is the revision that the list is at.
pub(super) async fn read(
    web: &Web,
    name: &ListName,
    query: &HistoryQuery,
    last: u64,
    bytes: usize,
) -> Result<HistoryPage, Problem> {
    let cache = web.cache();
    let mut range = Range { after: query.after, before: query.before.unwrap_or(u64::MAX).min(last.saturating_add(1)) };
    if let Some(from) = query.from {
        range.after = range.after.max(first_where(web, name, last, |day| day >= from).await? - 1);
    }
    if let Some(to) = query.to {
        range.before = range.before.min(first_where(web, name, last, |day| day > to).await?);
    }
    if range.before <= range.after.saturating_add(1) {
        return Ok(HistoryPage::default());
    }
    let limit = PageLimit { items: query.limit, bytes };
    Ok(match query.order {
        Order::Asc => oldest_first(cache, name, range, limit).await?,
        Order::Desc => newest_first(cache, name, range, limit).await?,
    })
}

/// The query of the page behind a revision.
pub(super) fn page_behind(number: u64, query: &HistoryQuery) -> String {
    let HistoryQuery { after, before, from, to, order, limit } = query;
    let mut next = form_urlencoded::Serializer::new(String::new());
    let (after, before) = match order {
        Order::Asc => (number, *before),
        Order::Desc => (*after, Some(number)),
    };
    if after > 0 {
        next.append_pair("after", &after.to_string());
    }
    if let Some(before) = before {
        next.append_pair("before", &before.to_string());
    }
    for (name, day) in [("from", from), ("to", to)] {
        if let Some(day) = day {
            next.append_pair(name, &day.to_string());
        }
    }
    if *order == Order::Desc {
        next.append_pair("order", "desc");
    }
    next.append_pair("limit", &limit.to_string());
    next.finish()
}

async fn oldest_first(
    cache: &Cache,
    name: &ListName,
    range: Range,
    limit: PageLimit,
) -> Result<HistoryPage, CallError> {
    let mut page = cache.history_page(name, range.after, limit).await?;
    let in_range = page.revisions.iter().take_while(|revision| revision.number() < range.before).count();
    if in_range < page.revisions.len() {
        page.revisions.truncate(in_range);
        page.more = false;
    }
    page.more &= page.revisions.last().is_some_and(|last| last.number() + 1 < range.before);
    Ok(page)
}

/// The store has pages in ascending order that end by their bytes. So a page that does not reach the newest revision is read again
/// with fewer items.
async fn newest_first(
    cache: &Cache,
    name: &ListName,
    range: Range,
    limit: PageLimit,
) -> Result<HistoryPage, CallError> {
    let newest = range.before - 1;
    let mut items = limit.items.max(1);
    let mut revisions = loop {
        let start = newest.saturating_sub(items as u64).max(range.after);
        let page = cache.history_page(name, start, PageLimit { items, ..limit }).await?;
        if items == 1 || page.revisions.last().is_none_or(|last| last.number() >= newest) {
            break page.revisions;
        }
        items /= 2;
    };
    revisions.retain(|revision| revision.number() < range.before);
    revisions.reverse();
    let more = match revisions.last() {
        Some(oldest) if oldest.number() > range.after + 1 => {
            let first = cache.history_page(name, range.after, ONE).await?;
            first.revisions.first().is_some_and(|first| first.number() < oldest.number())
        }
        _ => false,
    };
    Ok(HistoryPage { revisions, more })
}

/// The number of the first retained revision whose day fits, or the number behind `last`. A binary search finds it.
///
/// The day is that of the revision's time in the server's present time zone. Times do not fall from one revision to the next, so
/// days do not either. The day on which a version decided may fall: it follows a clock that is set back, and the time zone of then.
async fn first_where(web: &Web, name: &ListName, last: u64, fits: impl Fn(Date) -> bool) -> Result<u64, CallError> {
    let day_of = |revision: &RetainedRevision| web.services.clock.local_at(time_of(revision)).0;
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let page = web.cache().history_page(name, middle - 1, ONE).await?;
        if page.revisions.first().is_none_or(|revision| fits(day_of(revision))) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

fn time_of(revision: &RetainedRevision) -> u64 {
    match revision {
        RetainedRevision::Whole(revision) => revision.context.now,
        RetainedRevision::Large(outline) => outline.context.now,
    }
}
