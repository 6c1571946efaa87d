//! Logic that misbehaves on request, for tests of the host. It is not meant for real lists.
//!
//! The title of the added entry selects the misbehaviour. Entries with other titles are simply added.

mod deeds;

use hotlist_plugin::{
    Change, Context, Decision, Description, Draft, List, Logic, Page, Query, Rejection, note, plain_page,
};

/// The logic described at the crate's head.
#[derive(Debug)]
pub struct Hostile;

impl Logic for Hostile {
    fn describe() -> Description {
        let summary = "Misbehaves when an entry's title says so. For tests only.";
        Description::new("Hostile", summary, env!("CARGO_PKG_VERSION")).view("trap", "Trap")
    }

    fn add_entry(list: &impl List, cx: &Context, new: Draft) -> Decision {
        let mut entry = new.into_entry(list.next_id());
        match entry.title.as_str() {
            // Calls that never return.
            "trap" => panic!("asked to trap"),
            "unreachable" => deeds::unreachable(),
            "loop" => deeds::spin(),
            "allocate" => deeds::allocate(),
            "recurse" => entry.order = Some(deeds::recurse(cx.seed)),
            // Answers that the contract forbids.
            "foreign-id" => entry.id += 1_000,
            "flood" => return Ok(deeds::flood(&entry)),
            "invalid-utf8" => entry.title = deeds::not_utf8(),
            "long-title" => entry.title = "é".repeat(1_001),
            "undeclared-field" => entry.set_field("undeclared", Some(deeds::value())),
            "impossible-date" => entry.date = Some(deeds::no_day()),
            "not-a-number" => entry.order = Some(f64::NAN),
            // Different answers to the same call: one forbidden, one allowed.
            "remember" => entry.title = format!("remember {}", deeds::count()),
            "random-seed" => entry.title = format!("random {}", cx.seed),
            "note" => note("a line\nand \u{1b}[31manother"),
            "note-much" => (0..1_000).for_each(|_| note("all work and no play")),
            _ => {}
        }
        Ok(vec![Change::Put(entry)])
    }

    fn entries(list: &impl List, _: &Context, query: &Query) -> Result<Page, Rejection> {
        match query.view.as_deref() {
            Some("trap") => panic!("asked to trap"),
            _ => Ok(plain_page(list, query)),
        }
    }
}

hotlist_plugin::export!(Hostile);

#[cfg(test)]
mod tests {
    use hotlist_plugin::testing::{TestList, context};

    use super::*;

    #[test]
    fn any_other_title_is_just_added() {
        let answer = Hostile::add_entry(&TestList::of::<Hostile>(), &context(), Draft::new("Buy milk"));
        assert_eq!(answer, Ok(vec![Change::Put(Draft::new("Buy milk").into_entry(1))]));
    }

    #[test]
    fn what_the_contract_forbids_is_answered() {
        for title in ["foreign-id", "long-title", "impossible-date", "not-a-number"] {
            let mut list = TestList::of::<Hostile>();
            let changes = Hostile::add_entry(&list, &context(), Draft::new(title)).expect("an answer");
            assert!(list.apply(changes).is_err(), "{title}");
        }
    }

    #[test]
    fn remembering_shows_and_the_seed_does_not() {
        let ask = |title| Hostile::add_entry(&TestList::of::<Hostile>(), &context(), Draft::new(title));
        assert_ne!(ask("remember"), ask("remember"));
        assert_eq!(ask("random-seed"), ask("random-seed"));
    }
}
