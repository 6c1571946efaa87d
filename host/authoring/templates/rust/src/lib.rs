//! The rules of `{{name}}`. Start in `check`, which is called before an entry is added or changed.

use hotlist_plugin::{
    Change, Context, Decision, Description, Entry, Field, Fields, Group, Kind, List, Logic, Page, Query, Rejection,
    Schema, export, matches,
};

/// The most urgent entries at a time.
const MOST_URGENT: usize = 3;

struct Rules;

impl Logic for Rules {
    /// Declares the fields, commands and views for clients and the page.
    fn describe() -> Description {
        Description::new("{{title}}", "Entries have a title, and some are urgent.", env!("CARGO_PKG_VERSION"))
            .field(Schema::new("urgent", "Urgent", Kind::Boolean))
            .command("calm-down", "Nothing is urgent", vec![])
            .view("urgent", "Urgent first")
    }

    /// Rejects an entry with a message for the user, or accepts it.
    fn check(list: &impl List, _: &Context, new: &Entry, before: Option<&Entry>) -> Result<(), Rejection> {
        if new.title.trim().is_empty() {
            return Err(Rejection::new("title-empty", "Give the entry a title.").at("title"));
        }
        let becomes_urgent = is_urgent(new) && !before.is_some_and(is_urgent);
        if becomes_urgent && list.all(0).filter(is_urgent).count() >= MOST_URGENT {
            let message = format!("{MOST_URGENT} entries are urgent already. Finish one first.");
            return Err(Rejection::new("too-urgent", message).at("urgent"));
        }
        Ok(())
    }

    /// Decides the commands that `describe` declares.
    fn command(list: &impl List, _: &Context, name: &str, _: Vec<Field>) -> Decision {
        match name {
            "calm-down" => Ok(list.all(0).filter(is_urgent).map(calm).collect()),
            _ => Err(Rejection::unknown_command(name)),
        }
    }

    /// Answers reads of the views that `describe` declares: ids in order, in groups.
    fn entries(list: &impl List, _: &Context, query: &Query) -> Result<Page, Rejection> {
        let mut urgent = Group::new("urgent", "Urgent");
        let mut other = Group::new("other", "Everything else");
        for entry in list.all(0).filter(|entry| matches(entry, query)) {
            let group = if is_urgent(&entry) { &mut urgent } else { &mut other };
            group.rows.push(entry.id.into());
        }
        Page::cut(vec![urgent, other], query)
    }
}

export!(Rules);

fn is_urgent(entry: &Entry) -> bool {
    !entry.completed && entry.fields.boolean("urgent") == Some(true)
}

fn calm(mut entry: Entry) -> Change {
    entry.set_field("urgent", None);
    Change::Put(entry)
}

#[cfg(test)]
mod tests {
    use hotlist_plugin::testing::{TestList, context};
    use hotlist_plugin::{Draft, Value};

    use super::*;

    fn urgent(title: &str) -> Draft {
        Draft { fields: vec![Field::new("urgent", true)], ..Draft::new(title) }
    }

    #[test]
    fn a_fourth_urgent_entry_is_refused() {
        let mut list = TestList::of::<Rules>();
        for title in ["Roof", "Door", "Window"] {
            assert_eq!(list.carry_out(Rules::add_entry(&list, &context(), urgent(title))), Ok(()));
        }
        let rejection = Rules::add_entry(&list, &context(), urgent("Cellar")).expect_err("there is none");
        assert_eq!(rejection.code, "too-urgent");
        assert!(Rules::add_entry(&list, &context(), Draft::new("Cellar")).is_ok());
    }

    #[test]
    fn calming_down_leaves_nothing_urgent() {
        let mut list = TestList::of::<Rules>().with(urgent("Roof")).with(Draft::new("Door"));
        assert_eq!(list.carry_out(Rules::command(&list, &context(), "calm-down", vec![])), Ok(()));
        assert!(list.all(0).all(|entry| entry.field("urgent") != Some(&Value::Boolean(true))));
    }
}
