//! Contract 0.1.0: calls into a component, imports for it, and the conversion of types between the two sides.
//!
//! All code that depends on the version of the contract is in this module. The next version gets a module beside it.

pub(super) mod bindings;
mod convert;
mod imports;

use super::error::LoadError;
use super::instance::Instance;
use crate::list::change::Rejection;
use crate::list::command::{Context, Page, Query};
use crate::list::schema::{CommandSchema, Description, Reading, ViewSchema};
use crate::logic::{Call, Decision, Fault};
use bindings::hotlist::logic::types as wit;
use convert::{
    lift_change, lift_page, lift_rejection, lower_context, lower_date, lower_draft, lower_fields, lower_patch,
    lower_patches, schemas,
};

/// The most bytes of a component's version.
const MAX_VERSION_BYTES: usize = 100;

/// Calls `describe`.
pub(super) fn describe(instance: &mut Instance) -> Result<Description, LoadError> {
    let answer = instance.plugin.hotlist_logic_todo_list_logic().call_describe(&mut instance.store);
    let described = answer.map_err(|error| instance.fault(&error))?;
    let version = version(&described.version)?;
    let command = |command: wit::CommandSchema| CommandSchema {
        name: command.name,
        title: command.title,
        arguments: schemas(command.arguments),
    };
    let view = |view: wit::ViewSchema| ViewSchema { name: view.name, title: view.title };
    Ok(Description {
        title: described.title,
        summary: described.summary,
        version,
        fields: schemas(described.fields),
        settings: schemas(described.settings),
        commands: described.commands.into_iter().map(command).collect(),
        views: described.views.into_iter().map(view).collect(),
        reading: match described.reading {
            wit::Reading::Host => Reading::Host,
            wit::Reading::Logic => Reading::Logic,
        },
        wakes: described.wakes,
    })
}

/// Parses a version. Every reply names the version, so it must be short.
fn version(text: &str) -> Result<semver::Version, LoadError> {
    if text.len() > MAX_VERSION_BYTES {
        let problem = format!("its version has {} bytes, the limit is {MAX_VERSION_BYTES}", text.len());
        return Err(LoadError::Invalid(problem));
    }
    semver::Version::parse(text)
        .map_err(|error| LoadError::Invalid(format!("its version {text:?} is not a semantic version: {error}")))
}

/// Calls the function that decides a command on the instance's current list.
pub(super) fn decide(instance: &mut Instance, context: &Context, call: Call<'_>) -> Result<Decision, Fault> {
    let logic = instance.plugin.hotlist_logic_todo_list_logic();
    let (store, cx) = (&mut instance.store, lower_context(context));
    let answer = match call {
        Call::Add(draft) => logic.call_add_entry(store, &cx, &lower_draft(draft)),
        Call::Update(id, patch) => logic.call_update_entry(store, &cx, id, &lower_patch(patch)),
        Call::Delete(id) => logic.call_delete_entry(store, &cx, id),
        Call::Custom(name, arguments) => logic.call_command(store, &cx, name, &lower_fields(arguments)),
        Call::Configure(settings) => logic.call_configure(store, &cx, &lower_patches(settings)),
        Call::Wake => logic.call_wake(store, &cx),
        Call::Migrate(from) => logic.call_migrate(store, &cx, from),
    };
    match answer.map_err(|error| instance.fault(&error))? {
        Ok(changes) => Ok(Ok(changes.into_iter().map(lift_change).collect::<Result<_, _>>()?)),
        Err(rejection) => Ok(Err(lift_rejection(rejection))),
    }
}

/// Calls `entries` for a page of the instance's current list.
pub(super) fn view(
    instance: &mut Instance,
    context: &Context,
    query: &Query,
) -> Result<Result<Page, Rejection>, Fault> {
    let query = wit::Query {
        view: query.view.clone(),
        date: query.date.map(lower_date),
        completed: query.completed,
        after: query.after,
        limit: u32::try_from(query.limit).unwrap_or(u32::MAX),
    };
    let logic = instance.plugin.hotlist_logic_todo_list_logic();
    let answer = logic.call_entries(&mut instance.store, &lower_context(context), &query);
    match answer.map_err(|error| instance.fault(&error))? {
        Ok(page) => Ok(Ok(lift_page(page)?)),
        Err(rejection) => Ok(Err(lift_rejection(rejection))),
    }
}

/// Calls `next-wake-up` for the instance's current list.
pub(super) fn next_wake_up(instance: &mut Instance, context: &Context) -> Result<Option<u64>, Fault> {
    let logic = instance.plugin.hotlist_logic_todo_list_logic();
    let answer = logic.call_next_wake_up(&mut instance.store, &lower_context(context));
    answer.map_err(|error| instance.fault(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_semantic_and_short() {
        assert_eq!(version("1.2.0-rc.1+build").unwrap().major, 1);
        for wrong in ["1", "", &format!("1.0.0-{}", "a".repeat(MAX_VERSION_BYTES))] {
            let why = version(wrong).unwrap_err().to_string();
            assert!(why.contains("its version") && why.len() < 300, "{why}");
        }
    }
}
