//! Patterns of list names: `*` stands for any characters, `?` for one.

use std::cell::Cell;

use wildmatch::WildMatch;

use crate::list::name::ListName;

/// Patterns, each with whether a name matched it. No pattern at all selects every list.
pub(super) struct Patterns(Vec<(WildMatch, Cell<bool>)>);

impl Patterns {
    pub(super) fn new(texts: &[String]) -> Self {
        Self(texts.iter().map(|text| (WildMatch::new(text), Cell::new(false))).collect())
    }

    /// Whether one of the patterns matches.
    pub(super) fn matches(&self, name: &ListName) -> bool {
        let mut matches = self.0.is_empty();
        for (pattern, matched) in &self.0 {
            if pattern.matches(name.as_str()) {
                matched.set(true);
                matches = true;
            }
        }
        matches
    }

    /// Fails if a pattern matched no list, which is most likely a misspelled name.
    pub(super) fn check_all_matched(&self) -> anyhow::Result<()> {
        match self.0.iter().find(|(_, matched)| !matched.get()) {
            Some((pattern, _)) => Err(anyhow::anyhow!("no list has a name like {:?}", pattern.pattern())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_list_is_named() {
        let texts = ["team-*", "bob"].map(str::to_owned);
        let patterns = Patterns::new(&texts);
        let matched = ["team-a", "bop", "team-b"].map(|name| patterns.matches(&ListName::new(name).unwrap()));
        assert_eq!(matched, [true, false, true]);
        assert_eq!(patterns.check_all_matched().unwrap_err().to_string(), "no list has a name like \"bob\"");
        assert!(Patterns::new(&[]).matches(&ListName::new("bob").unwrap()));
    }
}
