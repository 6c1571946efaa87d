//! The columns from a list's settings, and the column of an entry.

use hotlist_plugin::{Entry, Fields, List, Rejection, Value};

/// The field that holds the name of an entry's column.
pub(crate) const COLUMN: &str = "column";

/// The setting that names the columns, in their order.
pub(crate) const COLUMNS: &str = "columns";

/// The setting that holds the columns' limits.
pub(crate) const LIMITS: &str = "limits";

/// The columns of a list without the setting.
const DEFAULT: [&str; 3] = ["To do", "Doing", "Done"];

/// The columns of a list: at least two. The last one holds the completed entries.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Columns {
    pub(crate) names: Vec<String>,
    /// In the format of the setting, such as `Doing: 3`.
    pub(crate) limits: Vec<String>,
}

impl Columns {
    /// The current columns of the list.
    pub(crate) fn of(list: &impl List) -> Self {
        let texts = |name| if let Some(Value::Texts(texts)) = list.setting(name) { texts } else { Vec::new() };
        let mut names = texts(COLUMNS);
        if names.len() < 2 {
            // Another logic may have had a setting of that name, with fewer texts.
            names = Self::usual();
        }
        Self { names, limits: texts(LIMITS) }
    }

    /// The columns of a list without the setting.
    pub(crate) fn usual() -> Vec<String> {
        DEFAULT.map(Into::into).to_vec()
    }

    /// The index of the last column.
    pub(crate) fn last(&self) -> usize {
        self.names.len() - 1
    }

    /// The index of the column with that name.
    pub(crate) fn find(&self, name: &str) -> Result<usize, Rejection> {
        self.names.iter().position(|known| known == name).ok_or_else(|| {
            let message = format!("There is no column “{name}”. Choose one of: {}.", self.names.join(", "));
            Rejection::new("column-unknown", message).at(COLUMN)
        })
    }

    /// The index of an entry's column. Completed entries are in the last one, whatever their field says.
    /// Open ones that name no existing column are in the first. So every entry is in one column, even
    /// after other rules decided for the list.
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

/// Parses a limit such as `Doing: 3`. The name may contain colons.
pub(crate) fn read_limit(text: &str) -> Option<(&str, u32)> {
    let (name, limit) = text.rsplit_once(':')?;
    Some((name.trim(), limit.trim().parse().ok().filter(|limit| *limit > 0)?))
}
