//! A pattern for names: `*` stands for any characters or none, `?` for one, all others for themselves.
//!
//! A crate for globs would bring paths along, in which `*` ends at a slash, and brackets; a list's name
//! may hold all of these.

use std::convert::Infallible;
use std::str::FromStr;

#[derive(Clone, Debug)]
pub(in crate::cli) struct Glob(Vec<char>);

impl FromStr for Glob {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.chars().collect()))
    }
}

impl Glob {
    /// Whether a name fits. Only the last star is ever tried anew: if the ones before it took less, this
    /// one could take the rest.
    pub(super) fn fits(&self, name: &str) -> bool {
        let (pattern, name) = (&self.0, name.chars().collect::<Vec<_>>());
        let (mut at, mut in_name) = (0, 0);
        // Behind the last star, and how much of the name it has taken.
        let mut star = None;
        while in_name < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at + 1, in_name));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == name[in_name] => {
                    at += 1;
                    in_name += 1;
                }
                _ => {
                    let Some((behind, taken)) = &mut star else { return false };
                    *taken += 1;
                    (at, in_name) = (*behind, *taken);
                }
            }
        }
        pattern[at..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        pattern.parse::<Glob>().unwrap().fits(name)
    }

    /// What a pattern means, without anything that makes it fast.
    fn plainly(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            (['*', rest @ ..], name) => (0..=name.len()).any(|taken| plainly(rest, &name[taken..])),
            (['?', rest @ ..], [_, others @ ..]) => plainly(rest, others),
            ([c, rest @ ..], [first, others @ ..]) => c == first && plainly(rest, others),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_it_means(pattern in "[ab?*é]{0,8}", name in "[abé/]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(fits(&pattern, &name), plainly(&chars(&pattern), &chars(&name)));
        }
    }

    #[test]
    fn names_have_no_characters_that_end_a_star() {
        assert!(fits("team-*", "team-a/b") && fits("*.todo", "../x.todo") && fits("日?日", "日曜日") && fits("*", ""));
        assert!(!fits("team-*", "a team-b") && !fits("?", "") && !fits("", "a"));
    }

    #[test]
    fn many_stars_take_no_longer_than_few() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!fits(&pattern, &"a".repeat(200)));
    }
}
