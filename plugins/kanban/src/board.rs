//! The board view: a group for each column, with its entries by rank.

use hotlist_plugin::{Entry, EntryId, Group, List, Page, Query, Rejection, least, matches};

use crate::columns::Columns;
use crate::rank::{Rank, place};

/// Sort key of the board: the index of the column, then the place within it.
type Spot = (usize, Rank, EntryId);

/// A page of the board. It has all columns, so that empty ones are shown, too. `count` counts all
/// entries of a column, whatever the query filters.
pub(crate) fn page(list: &impl List, query: &Query) -> Result<Page, Rejection> {
    let columns = Columns::of(list);
    let spot = |entry: &Entry| {
        let (rank, id) = place(entry);
        (columns.column_of(entry), rank, id)
    };
    let after = query.after.map(|id| list.get(id).ok_or_else(|| Rejection::after_gone(id))).transpose()?;
    let after: Option<Spot> = after.as_ref().map(spot);

    let mut counts = vec![0_u32; columns.names.len()];
    let spots = list.all(0).filter_map(|entry| {
        let spot = spot(&entry);
        counts[spot.0] += 1;
        (matches(&entry, query) && after.is_none_or(|after| spot > after)).then_some(spot)
    });
    // One row more than the page has, to know whether more follow.
    let limit = query.limit as usize;
    let spots = least(spots, limit + 1);

    let mut groups: Vec<Group> =
        (0..columns.names.len()).map(|column| group(&columns, column, counts[column])).collect();
    for &(column, _, id) in spots.iter().take(limit) {
        groups[column].rows.push(id.into());
    }
    Ok(Page { groups, more: spots.len() > limit })
}

/// A column without its entries.
fn group(columns: &Columns, column: usize, count: u32) -> Group {
    let name = &columns.names[column];
    let group = Group::new(name.as_str(), name.as_str()).with("count", f64::from(count));
    match columns.limit(column) {
        Some(limit) => group.with("limit", f64::from(limit)),
        None => group,
    }
}
