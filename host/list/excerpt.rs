//! Short forms of texts for messages and logs. A component may give megabytes where a name belongs.

use std::borrow::Cow;

/// The most characters of one text that a message repeats.
pub const MAX_EXCERPT_CHARS: usize = 200;

/// Returns the text itself, or its first [`MAX_EXCERPT_CHARS`] characters and an ellipsis.
pub fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_EXCERPT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Returns the excerpt in quotes, with control characters escaped.
pub fn quoted(text: &str) -> String {
    format!("{:?}", excerpt(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(excerpt("é").as_ref(), "é");
        assert_eq!(excerpt(&"é".repeat(300)).chars().count(), MAX_EXCERPT_CHARS + 1);
        assert_eq!(quoted("a\n\u{1b}[2J"), r#""a\n\u{1b}[2J""#);
    }
}
