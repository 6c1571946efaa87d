//! Naming the columns and their limits, and taking over a list from other rules.

use hotlist_plugin::{Change, Decision, FieldPatch, Fields, List, Rejection, Value};

use crate::columns::{COLUMN, COLUMNS, Columns, LIMITS, read_limit};
use crate::moves::settle;
use crate::rank::RANK;

/// The most columns a board may have.
const MAX_COLUMNS: usize = 50;

/// The most characters the name of a column may have.
const MAX_NAME_CHARS: usize = 100;

/// Sets the columns, the limits or both, or takes them away. Entries whose column is renamed with the
/// last one, or with the ones that a board begins with, go along.
pub(crate) fn configure(list: &impl List, settings: Vec<FieldPatch>) -> Decision {
    let before = Columns::of(list);
    let mut after = before.clone();
    let mut kept = Vec::new();
    let (columns, limits): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.name == COLUMNS);
    // The columns first: a limit is of one of them.
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

/// The names of the columns, if they are fit for a board.
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

/// The limits in the form in which they are kept, if each is one of a column's.
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

/// Has the entries follow when the columns change. Open entries stay in their column, so it must
/// still be there, and not be the last; completed ones are in the last one, whatever its name is.
fn follow(list: &impl List, before: &Columns, after: &Columns) -> Decision {
    let open = &after.names[..after.last()];
    let stays = |column: usize| open.contains(&before.names[column]);
    // The columns that a board begins with are a guess. Whoever names the real ones wants the entries there.
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

/// A column cannot go, or become the last, while open entries are in it.
fn in_use(name: &str, count: u32) -> Rejection {
    let entries = if count == 1 { "an open entry".into() } else { format!("{count} open entries") };
    let message =
        format!("“{name}” has {entries}. Move what is in it before you remove it or make it the last column.");
    Rejection::new("column-in-use", message).at(COLUMNS)
}

/// Puts the entries of another logic into columns, completed ones into the last. Limits do not
/// count for them, for they are there already. What was on a board before keeps its place.
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
            // In the order in which they were added; what is added from now on comes behind.
            entry.set_field(RANK, Some(Value::Number(entry.id as f64)));
        }
        changes.push(Change::Put(entry));
    }
    changes
}
