//! The trait that a plugin implements.

use crate::{
    Change, Context, Description, Draft, Entry, EntryId, Field, FieldPatch, List, Page, Patch, Query, Rejection,
    plain_page,
};

/// The changes of a command, applied all or none; or the reason why it is refused.
pub type Decision = Result<Vec<Change>, Rejection>;

/// The meaning of a list.
///
/// Every function is pure: its answer depends on its arguments only. Each comment describes the
/// default.
///
/// A logic with a field, a command and a view:
///
/// ```
/// use hotlist_plugin::{
///     Change, Context, Decision, Description, Entry, Field, Fields, Group, Kind, List, Logic, Page, Query,
///     Rejection, Schema,
/// };
///
/// struct Stars;
///
/// fn is_starred(entry: &Entry) -> bool {
///     entry.fields.boolean("star") == Some(true)
/// }
///
/// impl Logic for Stars {
///     fn describe() -> Description {
///         Description::new("Stars", "Some entries have a star.", "1.0.0")
///             .field(Schema::new("star", "Star", Kind::Boolean))
///             .command("star", "Star", vec![Schema::new("entry", "Entry", Kind::Entry).required()])
///             .view("starred", "Starred")
///     }
///
///     fn command(list: &impl List, _: &Context, name: &str, arguments: Vec<Field>) -> Decision {
///         match (name, arguments.entry("entry").and_then(|id| list.get(id))) {
///             ("star", Some(mut entry)) => {
///                 entry.set_field("star", Some(true.into()));
///                 Ok(vec![Change::Put(entry)])
///             }
///             _ => Err(Rejection::unknown_command(name)),
///         }
///     }
///
///     fn entries(list: &impl List, _: &Context, query: &Query) -> Result<Page, Rejection> {
///         let mut group = Group::new("starred", "Starred");
///         group.rows = list.all(0).filter(is_starred).map(|entry| entry.id.into()).collect();
///         Page::cut(vec![group], query)
///     }
/// }
///
/// use hotlist_plugin::Draft;
/// use hotlist_plugin::testing::{TestList, context};
///
/// let mut list = TestList::of::<Stars>().with(Draft::new("Milk"));
/// let star = Stars::command(&list, &context(), "star", vec![Field::new("entry", 1)]);
/// list.carry_out(star)?;
/// assert!(list.get(1).is_some_and(|entry| is_starred(&entry)));
/// # Ok::<(), Rejection>(())
/// ```
pub trait Logic: Sized + 'static {
    /// Describes this logic: its title, version, fields, settings, commands and views.
    fn describe() -> Description;

    /// Checks whether an entry may become `new`. It was `before`, or is being added if that is `None`.
    ///
    /// The default functions to add and to update call it, so that a rule about entries is written
    /// once. By default every entry is accepted.
    fn check(list: &impl List, cx: &Context, new: &Entry, before: Option<&Entry>) -> Result<(), Rejection> {
        let _ = (list, cx, new, before);
        Ok(())
    }

    /// Decides the addition of an entry. By default it gets the next id if [`Logic::check`] accepts it.
    fn add_entry(list: &impl List, cx: &Context, new: Draft) -> Decision {
        let entry = new.into_entry(list.next_id());
        Self::check(list, cx, &entry, None)?;
        Ok(vec![Change::Put(entry)])
    }

    /// Decides a change of an entry, which the list holds. By default the patch is applied if
    /// [`Logic::check`] accepts the result.
    fn update_entry(list: &impl List, cx: &Context, id: EntryId, patch: Patch) -> Decision {
        let before = list.get(id).ok_or_else(|| Rejection::unknown_entry(id))?;
        let mut entry = before.clone();
        patch.apply(&mut entry);
        Self::check(list, cx, &entry, Some(&before))?;
        Ok(vec![Change::Put(entry)])
    }

    /// Decides the deletion of an entry, which the list holds. By default it is removed.
    fn delete_entry(list: &impl List, cx: &Context, id: EntryId) -> Decision {
        let _ = (list, cx);
        Ok(vec![Change::Remove(id)])
    }

    /// Decides a command that [`Logic::describe`] declares. The arguments match the schema. By default
    /// every command is unknown.
    fn command(list: &impl List, cx: &Context, name: &str, arguments: Vec<Field>) -> Decision {
        let _ = (list, cx, arguments);
        Err(Rejection::unknown_command(name))
    }

    /// Decides a change of settings, which match their schemas. By default they are set or removed.
    fn configure(list: &impl List, cx: &Context, settings: Vec<FieldPatch>) -> Decision {
        let _ = (list, cx);
        Ok(settings.into_iter().map(Change::from).collect())
    }

    /// Answers a read of a view, and of the plain list if the description says
    /// [`crate::Reading::Logic`]. By default there is the plain list and no view.
    fn entries(list: &impl List, cx: &Context, query: &Query) -> Result<Page, Rejection> {
        let _ = cx;
        match &query.view {
            None => Ok(plain_page(list, query)),
            Some(view) => Err(Rejection::unknown_view(view)),
        }
    }

    /// The time of the list's next wake-up, in milliseconds since the epoch. By default never. Called
    /// only if the description says [`wakes`](Description::wakes).
    ///
    /// ```
    /// # use hotlist_plugin::{Context, List};
    /// fn next_wake_up(list: &impl List, cx: &Context) -> Option<u64> {
    ///     let day = list.all(0).filter(|entry| !entry.completed).filter_map(|entry| entry.date).min()?;
    ///     Some(day.begins(cx.utc_offset))
    /// }
    /// ```
    fn next_wake_up(list: &impl List, cx: &Context) -> Option<u64> {
        let _ = (list, cx);
        None
    }

    /// Decides what happens at the time of a wake-up. By default nothing changes.
    fn wake(list: &impl List, cx: &Context) -> Decision {
        let _ = (list, cx);
        Ok(Vec::new())
    }

    /// Migrates a list from the logic and version `from`, such as `todo@1.0.0`. Settings of the same
    /// request are set already. By default the values are taken away that this logic does not declare,
    /// or declares in another way; see [`without_undeclared`](crate::without_undeclared). A list that comes back from a
    /// later version, as after a rollback, keeps them for the day on which that version decides again.
    fn migrate(list: &impl List, cx: &Context, from: &str) -> Decision {
        let _ = cx;
        let described = Self::describe();
        let is_step_back = crate::schema::is_later(from, &described.version);
        Ok(if is_step_back { Vec::new() } else { crate::without_undeclared(list, &described) })
    }
}
