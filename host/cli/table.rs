//! Tables in plain text: one line a row, cells of a column below each other.
//!
//! A crate for tables would bring borders, wrapping and styles along. The command line prints two small tables of
//! words and numbers.

/// How far apart two columns are.
const GAP: &str = "  ";

/// Formats rows as lines. The first `words` columns are aligned to the left, the others hold numbers and are aligned
/// to the right.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], words: usize) -> Vec<String> {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column < words {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join(GAP)
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_aligned_to_the_left_and_numbers_to_the_right() {
        let rows = [["", "fuel", "ab"], ["größer", "7", "x"], ["new", "1234567", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows, 1), ["           fuel  ab", "größer        7   x", "new     1234567    "]);
    }
}
