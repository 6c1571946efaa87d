//! Text from outside as it may be shown on a log or a terminal.
//!
//! A component chooses the words of its rejections and titles, and what it writes to the log. Raw, these could move the
//! cursor, begin a line of their own, or reorder the text behind them. JSON and HTML need no such form.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns a text as one line: characters that control a terminal, end a line or set the direction of text are escaped.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_printable(character) {
            line.push(character);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(line, "{}", character.escape_default());
        }
    }
    line.into()
}

/// Whether a character is shown where it stands.
pub fn is_printable(character: char) -> bool {
    match character {
        '\t' => true,
        // The separators of lines and paragraphs, and the marks, embeddings, overrides and isolates of bidirectional text.
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}' => false,
        // Tags, which are not shown at all.
        '\u{e0000}'..='\u{e007f}' => false,
        other => !other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_as_it_is_unless_it_controls_what_shows_it() {
        for plain in ["", "Buy milk", "日曜日 👩\u{200d}👧\tעברית \"\\"] {
            assert!(matches!(printable(plain), Cow::Borrowed(text) if text == plain));
        }
        for (raw, shown) in [
            ("\u{1b}[2Jgone\r\n", "\\u{1b}[2Jgone\\r\\n"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            ("one\u{2028}two\u{85}\u{9b}31m", "one\\u{2028}two\\u{85}\\u{9b}31m"),
            ("\u{e0041}\0", "\\u{e0041}\\u{0}"),
        ] {
            assert_eq!(printable(raw), shown);
        }
    }
}
