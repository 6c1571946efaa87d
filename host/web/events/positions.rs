//! Positions in lists: what a client asks to follow, and the id from which it goes on.
//!
//! The id of an event of several lists is `a:12,b:40`: names as in a path, each with the last revision that the client knows. A
//! list of which the client knows no revision is left out, and goes on as the query says.

use std::fmt::Write;

use percent_encoding::percent_decode_str;

use super::super::followed::Position;
use super::super::paths::segment;
use super::super::problem::{Problem, ProblemKind};
use crate::list::name::ListName;

/// The last revision of a list that a client knows from an earlier stream of that list.
pub(super) fn of_list(id: Option<&str>) -> Result<Option<u64>, Problem> {
    let wrong = || header_problem("Last-Event-ID is not the number of a revision");
    id.map(|id| number(id).ok_or_else(wrong)).transpose()
}

/// Puts the revisions of the last event of an earlier stream in place of those that the query names. A list that the event does
/// not name keeps its place in the query. Lists that are not in the query are left out.
pub(super) fn go_on_from(positions: &mut [Position], id: &str) -> Result<(), Problem> {
    for part in id.split(',').filter(|part| !part.is_empty()) {
        let (name, revision) = read(part)
            .ok_or_else(|| header_problem("Last-Event-ID is not a list of names and revisions, such as a:12,b:40"))?;
        if let Some(position) = positions.iter_mut().find(|position| position.list == name) {
            position.after = Some(revision);
        }
    }
    Ok(())
}

fn header_problem(detail: &str) -> Problem {
    Problem::new(ProblemKind::BadHeader, detail).with_field("Last-Event-ID")
}

fn read(part: &str) -> Option<(ListName, u64)> {
    let (name, revision) = part.rsplit_once(':')?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some((ListName::new(&name).ok()?, number(revision)?))
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The id of an event, from the lists and the revisions that the client knows.
pub(super) fn id<'a>(lists: impl Iterator<Item = (&'a ListName, Option<u64>)>) -> String {
    let mut id = String::new();
    for (name, revision) in lists {
        let Some(revision) = revision else { continue };
        let comma = if id.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(id, "{comma}{}:{revision}", segment(name.as_str()));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ListName {
        ListName::new(text).expect("a name")
    }

    #[test]
    fn an_id_names_all_lists_and_is_read_again() {
        let names = [name("a"), name("b, c:7"), name("ü\u{2603}")];
        let id = id(names.iter().zip([12, 0, 40].map(Some)));
        assert_eq!(id, "a:12,b%2C%20c%3A7:0,%C3%BC%E2%98%83:40");
        let mut positions = names.clone().map(|list| Position { list, after: Some(1) });
        go_on_from(&mut positions, &id).expect("it is right");
        assert_eq!(positions.map(|position| position.after), [Some(12), Some(0), Some(40)]);
    }

    #[test]
    fn a_list_without_a_position_is_left_out_of_an_id_and_goes_on_as_the_query_says() {
        let names = ["a", "b", "c"].map(name);
        let id = id(names.iter().zip([None, Some(3), None]));
        assert_eq!(id, "b:3");
        let mut positions = names.map(|list| Position { list, after: None });
        positions[2].after = Some(7);
        go_on_from(&mut positions, &id).expect("it is right");
        assert_eq!(positions.map(|position| position.after), [None, Some(3), Some(7)]);
    }

    #[test]
    fn a_position_of_another_list_is_left_out_and_a_malformed_one_is_refused() {
        let mut positions = [Position { list: name("a"), after: None }];
        go_on_from(&mut positions, "b:3").expect("it is right");
        assert_eq!(positions[0].after, None);
        for wrong in ["a", "a:", ":3", "a:+3", "a:x", "%ff:3"] {
            assert!(go_on_from(&mut positions, wrong).is_err(), "{wrong}");
        }
        assert!(of_list(Some("+3")).is_err());
        assert!(matches!(of_list(Some("3")), Ok(Some(3))));
    }
}
