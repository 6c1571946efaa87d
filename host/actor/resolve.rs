//! Which version decides a command about a list.

use crate::list::List;
use crate::list::command::Command;
use crate::list::name::{ListName, LogicName};
use crate::logic::decide::binding_after_undo;
use crate::rollout::{ResolveError, Selection, Version};

use super::batch::Batch;
use super::environment::Environment;

/// Resolves the version that decides a command about the working list of a batch.
///
/// # Errors
///
/// No version may decide, or the one that has to decide is not in memory.
pub(super) fn resolve(
    environment: &Environment,
    name: &ListName,
    batch: &mut Batch,
    command: &Command,
) -> Result<Selection, ResolveError> {
    forget_failed_migration(environment, batch, command);
    let (list, registry) = (batch.list(), &environment.registry);
    let without_shadow = |version| Selection { version, shadow: None };
    if let Command::Undo { changes, inverse, .. } = command {
        // An undo restores contents that only the version bound to the list, now or then, can check.
        if let Some(binding) = binding_after_undo(list, changes, inverse) {
            return registry.resolve_digest(binding.logic(), &binding.id.digest).map(without_shadow);
        }
        if let Some(version) = registry.resolve_bound(list)? {
            return Ok(without_shadow(version));
        }
    }
    let logic = logic_of(environment, list, command);
    let pin = match command {
        Command::Configure { pin: Some(pin), .. } => pin.as_ref(),
        _ => list.pin().filter(|_| list.logic() == Some(&logic)),
    };
    let selection = registry.resolve(&logic, name, pin)?;
    let is_compatible =
        list.binding().is_none_or(|binding| binding.is_schema_compatible(selection.version.logic.binding()));
    if !is_compatible
        && batch.has_failed_to_migrate(selection.version.digest())
        && !selects_version(command)
        && let Some(version) = registry.resolve_bound(list)?
    {
        return Ok(without_shadow(version));
    }
    Ok(selection)
}

/// Forgets that a version failed to migrate the list if its rules refuse what they fail at by now: the version that the list
/// is bound to may be laxer. A migration that was rejected stays so.
fn forget_failed_migration(environment: &Environment, batch: &mut Batch, command: &Command) {
    let refuses = |list| environment.registry.refuses_on_fault(&logic_of(environment, list, command));
    if batch.migration_failed().is_some_and(|failed| failed.is_fault) && refuses(batch.list()) {
        batch.forget_migration_failed();
    }
}

/// Whether a version has to migrate the list before it decides a command.
pub(super) fn needs_migration(batch: &Batch, version: &Version, command: &Command) -> bool {
    batch.list().binding().is_some_and(|bound| bound.needs_migration(version.logic.binding()))
        && !batch.has_failed_to_migrate(version.digest())
        && !selects_version(command)
        && !matches!(command, Command::DeleteList | Command::Undo { .. })
}

/// Whether versions may decide a command differently.
pub(super) fn depends_on_version(command: &Command) -> bool {
    !selects_version(command) && !matches!(command, Command::DeleteList | Command::Undo { .. } | Command::Migrate)
}

/// Whether a command itself selects the logic or the version of the list.
fn selects_version(command: &Command) -> bool {
    matches!(command, Command::Configure { logic: Some(_), .. } | Command::Configure { pin: Some(_), .. })
}

/// The logic that decides a command: the one that the command selects, or the list's own.
fn logic_of(environment: &Environment, list: &List, command: &Command) -> LogicName {
    match command {
        Command::Configure { logic: Some(logic), .. } => logic.clone(),
        _ => list.logic().unwrap_or(&environment.default_logic).clone(),
    }
}
