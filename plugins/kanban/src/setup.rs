//! Settings of columns and limits, and migration from other rules.

use hotlist_plugin::{Change, Decision, FieldPatch, Fields, List, Rejection, Value};

use crate::columns::{COLUMN, COLUMNS, Columns, LIMITS, read_limit};
use crate::moves::settle;
use crate::rank::RANK;

/// The most columns of a board.
const MAX_COLUMNS: usize = 50;

/// The most characters of a column's name.
const MAX_NAME_CHARS: usize = 100;

/// Sets or removes the columns, the limits or both. Completed entries follow the last column to its new
/// name. Entries in the default columns follow to the new first and last ones.
pub(crate) fn configure(list: &impl List, settings: Vec<FieldPatch>) -> Decision {
    let before = Columns::of(list);
    let mut after = before.clone();
    let mut kept = Vec::new();
    let (columns, limits): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.name == COLUMNS);
    // Columns come first, because limits refer to them.
    for mut setting in columns.into_iter().chain(limits) {
        let texts = if let Some(Value::Texts(texts)) = &mut setting.value { Some(texts) } else { None };
        match (setting.name.as_str(), texts) {
            (COLUMNS, Some(texts)) => {
                *texts = check_names(texts)?;
                after.names = texts.clone();
            }
            (COLUMNS, None) => after.names = Columns::usual(),
            (LIMITS, Some(texts)) => *texts = check_limits(texts, &after.names)?,
            _ => {}
        }
        kept.push(Change::from(setting));
    }
    let mut changes = if after.names == before.names { Vec::new() } else { follow(list, &before, &after)? };
    changes.extend(kept);
    Ok(changes)
}

/// The names of the columns, if they are valid.
fn check_names(texts: &[String]) -> Result<Vec<String>, Rejection> {
    let refuse = |code, message: String| Err(Rejection::new(code, message).at(COLUMNS));
    let names: Vec<String> = texts.iter().map(|name| name.trim().into()).collect();
    if !(2..=MAX_COLUMNS).contains(&names.len()) {
        let message = format!("A board has from 2 to {MAX_COLUMNS} columns; the last is for what is completed.");
        return refuse("columns-count", message);
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return refuse("column-empty", format!("Column {} has no name. Give it one, or leave it out.", at + 1));
        }
        if name.chars().count() > MAX_NAME_CHARS {
            let message = format!("The name of column {} is over {MAX_NAME_CHARS} characters; shorten it.", at + 1);
            return refuse("column-long", message);
        }
        if names[..at].contains(name) {
            return refuse("column-twice", format!("There are two columns “{name}”. Rename one of them."));
        }
    }
    Ok(names)
}

/// The limits in normal form, if each refers to a column.
fn check_limits(texts: &[String], names: &[String]) -> Result<Vec<String>, Rejection> {
    let refuse = |code, message: String| Err(Rejection::new(code, message).at(LIMITS));
    let mut limits: Vec<String> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let Some((name, limit)) = read_limit(text) else {
            let message =
                format!("“{text}” is no limit. Write a column, a colon and a number over 0: “{}: 3”.", names[0]);
            return refuse("limit-unclear", message);
        };
        if !names.iter().any(|known| known == name) {
            let message = format!("“{text}” limits no column. Choose one of: {}.", names.join(", "));
            return refuse("limit-unknown", message);
        }
        if texts[..at].iter().any(|before| read_limit(before).is_some_and(|(before, _)| before == name)) {
            return refuse("limit-twice", format!("“{name}” has two limits. Leave one of them out."));
        }
        limits.push(format!("{name}: {limit}"));
    }
    Ok(limits)
}

/// Moves the entries when the columns change. Open entries stay in their column, so it must still exist
/// and must not be the last. Completed ones are in the last column, whatever its name.
fn follow(list: &impl List, before: &Columns, after: &Columns) -> Decision {
    let open = &after.names[..after.last()];
    let stays = |column: usize| open.contains(&before.names[column]);
    // The default columns are a guess, so entries move to the columns that the user names first.
    let guessed = list.setting(COLUMNS).is_none();
    let mut stuck = vec![0_u32; before.names.len()];
    let mut changes = Vec::new();
    for mut entry in list.all(0) {
        let column = before.column_of(&entry);
        if !entry.completed && !stays(column) && !guessed {
            stuck[column] += 1;
            continue;
        }
        let now = after.column_of(&entry);
        if entry.fields.text(COLUMN) != Some(&after.names[now]) {
            settle(after, &mut entry, now);
            changes.push(Change::Put(entry));
        }
    }
    match stuck.iter().position(|count| *count > 0) {
        Some(column) => Err(in_use(&before.names[column], stuck[column])),
        None => Ok(changes),
    }
}

/// Refuses to remove a column, or to make it the last, while it has open entries.
fn in_use(name: &str, count: u32) -> Rejection {
    let entries = if count == 1 { "an open entry".into() } else { format!("{count} open entries") };
    let message =
        format!("“{name}” has {entries}. Move what is in it before you remove it or make it the last column.");
    Rejection::new("column-in-use", message).at(COLUMNS)
}

/// Puts the entries of another logic into columns, completed ones into the last. Limits do not apply to
/// them, because they are in the list already. Entries that were on a board before keep their place.
pub(crate) fn migrate(list: &impl List) -> Vec<Change> {
    let columns = Columns::of(list);
    let mut changes = Vec::new();
    for mut entry in list.all(0) {
        let column = columns.column_of(&entry);
        let ranked = entry.fields.number(RANK).is_some();
        if ranked && entry.fields.text(COLUMN) == Some(&columns.names[column]) {
            continue;
        }
        settle(&columns, &mut entry, column);
        if !ranked {
            // In the order in which they were added. Later entries come after them.
            entry.set_field(RANK, Some(Value::Number(entry.id as f64)));
        }
        changes.push(Change::Put(entry));
    }
    changes
}
