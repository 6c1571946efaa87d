//! Placement of entries in columns, shared by all commands.

use hotlist_plugin::{Change, Decision, Draft, Entry, EntryId, Fields, List, Patch, Rejection, Value, least};

use crate::columns::{COLUMN, Columns};
use crate::rank::{Place, RANK, between, place};

/// Adds an entry: to the column that it names, to the last one if it is completed, or to the first.
pub(crate) fn add(list: &impl List, new: Draft) -> Decision {
    let entry = new.into_entry(list.next_id());
    hotlist_todo::check(&entry)?;
    let columns = Columns::of(list);
    let to = match entry.fields.text(COLUMN) {
        Some(name) => columns.find(name)?,
        None => columns.column_of(&entry),
    };
    // A draft cannot say "not completed". So only `completed: true` can contradict its column.
    agree(&columns, to, entry.completed.then_some(true))?;
    if entry.fields.number(RANK).is_some() {
        return keep_rank(list, &columns, entry, None, to);
    }
    rank_and_put(list, &columns, entry, None, to, None)
}

/// Changes an entry. A patch of its column or its completion moves it, to the column's end unless the
/// patch has a rank.
pub(crate) fn update(list: &impl List, id: EntryId, patch: Patch) -> Decision {
    let columns = Columns::of(list);
    let mut entry = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
    let from = columns.column_of(&entry);
    let names = |name| patch.fields.iter().any(|field| field.name == name && field.value.is_some());
    let (names_column, names_rank, completed) = (names(COLUMN), names(RANK), patch.completed);
    patch.apply(&mut entry);
    hotlist_todo::check(&entry)?;
    let to = match entry.fields.text(COLUMN) {
        Some(name) if names_column => {
            let to = columns.find(name)?;
            agree(&columns, to, completed)?;
            to
        }
        _ => columns.column_of(&entry),
    };
    if names_rank || to == from {
        return keep_rank(list, &columns, entry, Some(from), to);
    }
    rank_and_put(list, &columns, entry, Some(from), to, None)
}

/// Moves an entry to a column: before another entry there, or to its end.
pub(crate) fn to(list: &impl List, id: EntryId, column: &str, before: Option<EntryId>) -> Decision {
    let columns = Columns::of(list);
    let entry = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
    let from = columns.column_of(&entry);
    let to = columns.find(column)?;
    let before = match before {
        Some(before) if before == id && to == from => return Ok(Vec::new()), // It is there already.
        Some(before) => Some(place(&beside(list, &columns, to, before)?)),
        None => None,
    };
    rank_and_put(list, &columns, entry, Some(from), to, before)
}

/// The entry that a moved entry goes before.
fn beside(list: &impl List, columns: &Columns, column: usize, id: EntryId) -> Result<Entry, Rejection> {
    let entry = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
    let stands = columns.column_of(&entry);
    if stands == column {
        return Ok(entry);
    }
    let (title, names) = (&entry.title, &columns.names);
    let message =
        format!("“{title}” is in “{}”. Choose an entry of “{}” to stand before.", names[stands], names[column]);
    Err(Rejection::new("before-elsewhere", message).at("before"))
}

/// Refuses a column and a completion that contradict each other.
fn agree(columns: &Columns, to: usize, completed: Option<bool>) -> Result<(), Rejection> {
    let last = columns.last();
    if completed.is_none_or(|completed| completed == (to == last)) {
        return Ok(());
    }
    let (name, done) = (&columns.names[to], &columns.names[last]);
    let message = if to == last {
        format!("What is in “{done}” is completed. Leave `completed` out, or choose another column.")
    } else {
        format!("What is in “{name}” is not completed. Leave `completed` out, or choose “{done}”.")
    };
    Err(Rejection::new("column-contradicts", message).at("completed"))
}

/// Puts the entry into a column at its own rank.
fn keep_rank(list: &impl List, columns: &Columns, mut entry: Entry, from: Option<usize>, to: usize) -> Decision {
    if from != Some(to) && columns.limit(to).is_some() {
        Neighbours::read(list, columns, &entry, to, None).room(columns, to)?;
    }
    settle(columns, &mut entry, to);
    Ok(vec![Change::Put(entry)])
}

/// Puts the entry into a column, before another entry or at the end.
fn rank_and_put(
    list: &impl List,
    columns: &Columns,
    mut entry: Entry,
    from: Option<usize>,
    to: usize,
    before: Option<Place>,
) -> Decision {
    let neighbours = Neighbours::read(list, columns, &entry, to, before);
    if from != Some(to) {
        neighbours.room(columns, to)?;
    }
    settle(columns, &mut entry, to);
    if let Some(rank) = between(neighbours.last, before) {
        entry.set_field(RANK, Some(rank.into()));
        return Ok(vec![Change::Put(entry)]);
    }
    Ok(renumber(list, columns, entry, to, before))
}

/// Sets the column of an entry.
pub(crate) fn settle(columns: &Columns, entry: &mut Entry, to: usize) {
    entry.completed = to == columns.last();
    entry.set_field(COLUMN, Some(Value::Text(columns.names[to].clone())));
}

/// The state of a column without the entry that is to be placed in it.
struct Neighbours {
    /// The number of other entries in the column.
    count: u32,
    /// The last of the entries before the new place.
    last: Option<Place>,
}

impl Neighbours {
    /// Reads the whole list once, because there is no index of columns.
    fn read(list: &impl List, columns: &Columns, entry: &Entry, column: usize, before: Option<Place>) -> Self {
        let mut found = Self { count: 0, last: None };
        for other in list.all(0).filter(|other| other.id != entry.id && columns.column_of(other) == column) {
            found.count += 1;
            let place = place(&other);
            if before.is_none_or(|before| place < before) {
                found.last = found.last.max(Some(place));
            }
        }
        found
    }

    /// Refuses an entry if the column is full.
    fn room(&self, columns: &Columns, column: usize) -> Result<(), Rejection> {
        let Some(limit) = columns.limit(column).filter(|limit| self.count >= *limit) else { return Ok(()) };
        let (name, count) = (&columns.names[column], self.count);
        let message = format!("{name} is full ({count}/{limit}). Move an entry out of it first, or raise its limit.");
        Err(Rejection::new("column-full", message).at(COLUMN))
    }
}

/// Gives all entries of a column new ranks, 1, 2, 3 …, when no number lies between two neighbours.
fn renumber(list: &impl List, columns: &Columns, entry: Entry, column: usize, before: Option<Place>) -> Vec<Change> {
    let others = list.all(0).filter(|other| other.id != entry.id && columns.column_of(other) == column);
    let places = least(others.map(|other| place(&other)), usize::MAX);
    let at = before.map_or(places.len(), |before| places.partition_point(|place| *place < before));
    let mut ids: Vec<EntryId> = places.into_iter().map(|(_, id)| id).collect();
    ids.insert(at, entry.id);
    let ranked = ids.into_iter().zip(1_u32..).filter_map(|(id, rank)| {
        let mut ranked = if id == entry.id { entry.clone() } else { list.get(id)? };
        let rank = Some(Value::Number(rank.into()));
        let changes = id == entry.id || ranked.field(RANK) != rank.as_ref();
        ranked.set_field(RANK, rank);
        changes.then_some(Change::Put(ranked))
    });
    ranked.collect()
}
