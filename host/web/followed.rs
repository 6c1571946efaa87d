//! Lists to follow, as the query of an event stream names them.

use super::paths::segment;
use super::problem::{Problem, ProblemKind};
use crate::list::name::ListName;

/// The most lists that one event stream follows.
const MAX_FOLLOWED: usize = 32;

/// The most bytes of all names of the lists that one event stream follows, percent-encoded. A client that connects again sends
/// them twice, in the query and in `Last-Event-ID`, and both are in the head of one request.
const MAX_FOLLOWED_NAME_BYTES: usize = 8 << 10;

/// A list to follow, and where to go on.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) list: ListName,
    /// The last revision that the client knows, or `None` to follow the list from now on.
    pub(super) after: Option<u64>,
}

impl Position {
    /// Reads the lists to follow, each of which is there once.
    pub(super) fn read_all(texts: impl IntoIterator<Item = String>) -> Result<Vec<Self>, Problem> {
        let mut positions: Vec<Self> = Vec::new();
        let mut name_bytes = 0;
        for text in texts {
            let position = Self::read(&text)?;
            if positions.iter().any(|earlier| earlier.list == position.list) {
                return Err(invalid(format!("{} is there twice", position.list.as_str())));
            }
            if positions.len() == MAX_FOLLOWED {
                let problem = invalid(format!("there are more than {MAX_FOLLOWED} lists"));
                return Err(problem.with_limit("max followed lists", MAX_FOLLOWED));
            }
            name_bytes += segment(position.list.as_str()).to_string().len();
            if name_bytes > MAX_FOLLOWED_NAME_BYTES {
                let detail = format!("the names have more than {MAX_FOLLOWED_NAME_BYTES} bytes, percent-encoded");
                return Err(invalid(detail).with_limit("max followed name bytes", MAX_FOLLOWED_NAME_BYTES));
            }
            positions.push(position);
        }
        Ok(positions)
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let (name, revision) = match text.rsplit_once(':') {
            Some((name, "")) => (name, None),
            Some((name, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(digits)),
            _ => (text, None),
        };
        let list = ListName::new(name).map_err(invalid)?;
        let too_large = || invalid(format!("the revision of {name} is larger than 18446744073709551615"));
        let after = revision.map(|digits| digits.parse().map_err(|_| too_large())).transpose()?;
        Ok(Self { list, after })
    }
}

fn invalid(problem: impl std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::BadQuery, format!("list: {problem}")).with_field("list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_end_like_a_revision_or_with_a_colon_before_another_colon() {
        let read =
            |text: &str| Position::read(text).map(|position| (position.list.as_str().to_owned(), position.after));
        for (text, name, after) in [
            ("a", "a", None),
            ("a:7", "a", Some(7)),
            ("a:7:", "a:7", None),
            ("a::", "a:", None),
            ("a::7", "a:", Some(7)),
            ("a:b", "a:b", None),
        ] {
            assert!(read(text).is_ok_and(|read| read == (name.to_owned(), after)), "{text}");
        }
    }

    #[test]
    fn the_names_of_a_stream_have_a_limit_in_bytes_as_they_are_encoded() {
        let names =
            |count: usize| Position::read_all((10..10 + count).map(|number| format!("{number}{}", "ü".repeat(99))));
        assert_eq!(names(13).map(|positions| positions.len()).ok(), Some(13));
        assert!(names(14).is_err());
    }
}
