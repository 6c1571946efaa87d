//! Blocks of code in a document.

use std::fs;

/// A document.
pub(crate) struct Guide(String);

/// A block of commands, and the block of output after it, if there is one.
pub(crate) struct Block<'a> {
    /// The line on which the commands begin.
    pub(crate) line: usize,
    pub(crate) script: &'a str,
    pub(crate) output: Option<&'a str>,
}

/// What a document writes for a part of the output that is different each time.
const ANYTHING: char = '…';

impl Guide {
    pub(crate) fn read(path: &str) -> Self {
        Self(fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// The blocks of commands before a line that begins with `end`, or all if that is empty.
    pub(crate) fn commands(&self, end: &str) -> impl Iterator<Item = Block<'_>> {
        let text = match end {
            "" => self.0.as_str(),
            end => self.0.split_once(&format!("\n{end}")).map(|(before, _)| before).expect("the line is there"),
        };
        let blocks = blocks(text);
        let is_next = |(end, _): &(usize, usize), begin: usize| text[*end..begin].trim().is_empty();
        (0..blocks.len())
            .filter(|at| blocks[*at].language == "sh")
            .map(|at| {
                let Fenced { begin, end, content, .. } = blocks[at];
                let next = blocks.get(at + 1).filter(|next| ["json", "text"].contains(&next.language));
                let output = next.filter(|next| is_next(&(end, 0), next.begin)).map(|next| next.content);
                Block { line: text[..begin].lines().count() + 2, script: content, output }
            })
            .collect::<Vec<_>>()
            .into_iter()
    }
}

impl Block<'_> {
    /// Lines with patterns that zsh takes for names of files, or with comments, which it refuses when they are typed.
    pub(crate) fn lines_that_zsh_refuses(&self) -> Vec<String> {
        let outside_quotes = |line: &str| {
            let mut quote = None;
            let kept: String = line
                .chars()
                .filter(|c| match (quote, c) {
                    (None, '\'' | '"') => {
                        quote = Some(*c);
                        false
                    }
                    (Some(open), c) if open == *c => {
                        quote = None;
                        false
                    }
                    (quote, _) => quote.is_none(),
                })
                .collect();
            kept
        };
        let is_refused = |line: &&str| {
            let line = outside_quotes(line);
            line.contains('?')
                || line.contains('[')
                || line.contains('*')
                || line.contains(" # ")
                || line.starts_with('#')
        };
        self.script.lines().filter(is_refused).map(str::to_owned).collect()
    }
}

#[derive(Clone, Copy)]
struct Fenced<'a> {
    language: &'a str,
    content: &'a str,
    begin: usize,
    end: usize,
}

/// The fenced blocks of a text, which may be indented as part of a list.
fn blocks(text: &str) -> Vec<Fenced<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize, &str)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        if let Some(fence) = line.trim().strip_prefix("```") {
            open = match open {
                Some((begin, content, language)) => {
                    found.push(Fenced { language, content: text[content..at].trim_end(), begin, end: next });
                    None
                }
                None => Some((at, next, fence)),
            };
        }
        at = next;
    }
    found
}

/// Whether an output is as a document says. Times differ, and `…` stands for anything on a line.
pub(crate) fn matches(expected: &str, output: &str) -> bool {
    let lines =
        |text: &str| text.lines().map(|line| without_times(line.trim())).filter(|line| !line.is_empty()).collect();
    let (expected, output): (Vec<String>, Vec<String>) = (lines(expected), lines(output));
    expected.len() == output.len() && expected.iter().zip(&output).all(|(expected, line)| line_matches(expected, line))
}

fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A line whose times, such as 2026-11-23T15:31:08.702Z, are all the same.
fn without_times(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("T") {
        // The fraction of the second has as many digits as it needs.
        let zone = rest[at..].find('Z').filter(|zone| (9..=13).contains(zone));
        let is_time = at >= 10 && rest.get(at - 10..at).is_some_and(is_date) && zone.is_some();
        let end = at + 1 + zone.filter(|_| is_time).unwrap_or_default();
        kept.push_str(if is_time { &rest[..at - 10] } else { &rest[..end] });
        kept.push_str(if is_time { "TIME" } else { "" });
        rest = &rest[end..];
    }
    kept + rest
}

fn is_date(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| if [4, 7].contains(&at) { byte == b'-' } else { byte.is_ascii_digit() })
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_may_differ() {
    assert!(matches("a…c\n\nd", "abbc\nd\n"));
    assert!(matches(r#"{"time":"2026-11-23T15:31:08.702Z"}"#, r#"{"time":"2027-01-01T00:00:00.5Z"}"#));
    for (expected, output) in [("a…c", "abb"), ("a", "ab"), ("a", ""), ("a\nb", "a"), ("a…b…c", "axc")] {
        assert!(!matches(expected, output), "{expected} {output}");
    }
}
