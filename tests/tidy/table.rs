//! The tables in `host/ARCHITECTURE.md`: which module may know which, and where outside crates are used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Where the drawn table begins and ends.
const MARKS: (&str, &str) = ("<!-- drawn by tests/tidy.rs -->\n", "<!-- end of the drawing -->");

/// The rows of a table with a given heading, in order: the name in the first column and the names in the last one.
pub(crate) fn rows(document: &str, heading: &str) -> Vec<(String, BTreeSet<String>)> {
    let table = document.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        let name = quoted(cells[0]).pop().unwrap_or_else(|| panic!("no `name` in {row}"));
        (name, quoted(cells.last().unwrap()).into_iter().collect())
    })
    .collect()
}

/// The words between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Draws who knows whom: a row and a column for each module.
pub(crate) fn draw(rows: &[(String, BTreeSet<String>)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut drawing = String::from("```text\n");
    let columns = rows.iter().map(|(name, _)| name);
    let height = columns.clone().map(String::len).max().unwrap_or(0);
    // The names of the columns stand upright, ending at the table.
    for line in 0..height {
        let letter = |name: &String| (line + name.len()).checked_sub(height).and_then(|at| name.chars().nth(at));
        let letters: Vec<_> = columns.clone().map(|name| letter(name).unwrap_or(' ').to_string()).collect();
        writeln!(drawing, "{}", format!("{:width$}  {}", "", letters.join(" ")).trim_end()).unwrap();
    }
    for (name, known) in rows {
        let mark = |other: &String| match (other == name, known.contains(other)) {
            (true, _) => "╲",
            (_, true) => "●",
            _ => "·",
        };
        let marks: Vec<_> = columns.clone().map(mark).collect();
        writeln!(drawing, "{name:width$}  {}", marks.join(" ")).unwrap();
    }
    drawing + "```\n"
}

/// The document with another drawing between its marks.
pub(crate) fn with_drawing(document: &str, drawing: &str) -> String {
    let (before, rest) = document.split_once(MARKS.0).expect("the document has a place for the drawing");
    let (_, after) = rest.split_once(MARKS.1).expect("the place for the drawing has an end");
    format!("{before}{}{drawing}{}{after}", MARKS.0, MARKS.1)
}

/// The rows as a map.
pub(crate) fn map(rows: Vec<(String, BTreeSet<String>)>) -> BTreeMap<String, BTreeSet<String>> {
    rows.into_iter().collect()
}
