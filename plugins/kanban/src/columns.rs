//! The columns that a list's settings name, and which of them an entry is in.

use hotlist_plugin::{Entry, Fields, List, Rejection, Value};

/// The field that holds the name of an entry's column.
pub(crate) const COLUMN: &str = "column";

/// The setting that names the columns, in their order.
pub(crate) const COLUMNS: &str = "columns";

/// The setting that holds the columns' limits.
pub(crate) const LIMITS: &str = "limits";

/// The columns of a list that was not told any.
const DEFAULT: [&str; 3] = ["To do", "Doing", "Done"];

/// The columns of a list: two at least, the last of which holds the completed entries.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Columns {
    pub(crate) names: Vec<String>,
    /// As the setting has them, such as `Doing: 3`.
    pub(crate) limits: Vec<String>,
}

impl Columns {
    /// The columns that the list has now.
    pub(crate) fn of(list: &impl List) -> Self {
        let texts = |name| if let Some(Value::Texts(texts)) = list.setting(name) { texts } else { Vec::new() };
        let mut names = texts(COLUMNS);
        if names.len() < 2 {
            // Another logic may have had a setting of that name, with less in it.
            names = Self::usual();
        }
        Self { names, limits: texts(LIMITS) }
    }

    /// The columns of a list that was not told any.
    pub(crate) fn usual() -> Vec<String> {
        DEFAULT.map(Into::into).to_vec()
    }

    /// The place of the last column among the columns.
    pub(crate) fn last(&self) -> usize {
        self.names.len() - 1
    }

    /// The place of the column of that name.
    pub(crate) fn find(&self, name: &str) -> Result<usize, Rejection> {
        self.names.iter().position(|known| known == name).ok_or_else(|| {
            let message = format!("There is no column “{name}”. Choose one of: {}.", self.names.join(", "));
            Rejection::new("column-unknown", message).at(COLUMN)
        })
    }

    /// The place of an entry's column. Completed entries are in the last one, whatever they say,
    /// and open ones that do not name another are in the first: so every entry is in one column,
    /// also when other rules kept the list for a while.
    pub(crate) fn column_of(&self, entry: &Entry) -> usize {
        if entry.completed {
            return self.last();
        }
        let named = entry.fields.text(COLUMN);
        let open = &self.names[..self.last()];
        open.iter().position(|name| Some(name.as_str()) == named).unwrap_or(0)
    }

    /// The most entries that a column may hold, if it has a limit.
    pub(crate) fn limit(&self, column: usize) -> Option<u32> {
        let limits = self.limits.iter().filter_map(|text| read_limit(text));
        limits.into_iter().find(|(name, _)| *name == self.names[column]).map(|(_, limit)| limit)
    }
}

/// Reads a limit such as `Doing: 3`. The name may hold colons of its own.
pub(crate) fn read_limit(text: &str) -> Option<(&str, u32)> {
    let (name, limit) = text.rsplit_once(':')?;
    Some((name.trim(), limit.trim().parse().ok().filter(|limit| *limit > 0)?))
}
