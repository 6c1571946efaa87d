"""Adapter from an author's class to the contract's exports."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TypeVar

from componentize_py_types import Err
from wit_world.imports import current_list as host
from wit_world.imports import types as wit

from .answers import Rejected
from .randomness import begin
from .lifting import lift_context, lift_draft, lift_entry, lift_fields, lift_patches, lift_query, patched
from .logic import Answer, Command, Logic, View, marked
from .lowering import lower_changes, lower_page, lower_schemas

T = TypeVar("T")


def export(logic: type[Logic]) -> type:
    """Creates the class that a plugin exports as `TodoListLogic`. A component has exactly one."""
    for name in ("title", "version"):
        if not hasattr(logic, name):
            raise TypeError(f'{logic.__name__} has no {name}; write one into the class: {name} = "…"')
    commands = marked(logic, Command)
    views = marked(logic, View)

    def changes(answer: Answer) -> list[wit.Change]:
        return lower_changes(logic.fields, logic.settings, answer)

    class TodoListLogic:
        def describe(self) -> wit.Description:
            reading = wit.Reading.HOST if logic.entries is Logic.entries else wit.Reading.LOGIC
            return answered(
                0,
                lambda: wit.Description(
                    logic.title,
                    logic.summary,
                    logic.version,
                    lower_schemas(logic.fields),
                    lower_schemas(logic.settings),
                    [
                        wit.CommandSchema(name, mark.title, lower_schemas(mark.arguments))
                        for name, (mark, _) in commands.items()
                    ],
                    [wit.ViewSchema(name, mark.title) for name, (mark, _) in views.items()],
                    reading,
                    logic.next_wake_up is not Logic.next_wake_up,
                ),
            )

        def add_entry(self, cx: wit.Context, new: wit.Draft) -> list[wit.Change]:
            return answered(cx.seed, lambda: changes(logic().add(lift_context(cx), lift_draft(new))))

        def update_entry(self, cx: wit.Context, id: int, patch: wit.Patch) -> list[wit.Change]:
            def update() -> Answer:
                before = held(id)
                return logic().update(lift_context(cx), patched(before, patch), lift_entry(before))

            return answered(cx.seed, lambda: changes(update()))

        def delete_entry(self, cx: wit.Context, id: int) -> list[wit.Change]:
            # Clearing a list calls this for every entry, so it is read only if the logic has a rule for it.
            if logic.delete is Logic.delete:
                return [wit.Change_Remove(id)]
            return answered(cx.seed, lambda: changes(logic().delete(lift_context(cx), lift_entry(held(id)))))

        def command(self, cx: wit.Context, name: str, arguments: list[wit.Field]) -> list[wit.Change]:
            def run() -> Answer:
                if name not in commands:
                    raise Rejected("command-unknown", f'This list has no command "{name}".')
                mark, method = commands[name]
                given = {mark.parameters[name]: value for name, value in lift_fields(arguments).items()}
                return method(logic(), lift_context(cx), **given)

            return answered(cx.seed, lambda: changes(run()))

        def configure(self, cx: wit.Context, settings: list[wit.FieldPatch]) -> list[wit.Change]:
            return answered(
                cx.seed, lambda: changes(logic().configure(lift_context(cx), lift_patches(settings)))
            )

        def entries(self, cx: wit.Context, query: wit.Query) -> wit.Page:
            def read() -> wit.Page:
                if query.view is None:
                    return lower_page(logic().entries(lift_context(cx), lift_query(query)))
                if query.view not in views:
                    raise Rejected("view-unknown", f'This list has no view "{query.view}".')
                return lower_page(views[query.view][1](logic(), lift_context(cx), lift_query(query)))

            return answered(cx.seed, read)

        def next_wake_up(self, cx: wit.Context) -> int | None:
            def ask() -> int | None:
                try:
                    return logic().next_wake_up(lift_context(cx))
                except Rejected:
                    # A time cannot be rejected. A list that is too long to be read is not woken.
                    return None

            time = answered(cx.seed, ask)
            return None if time is None else max(0, math.ceil(time))

        def wake(self, cx: wit.Context) -> list[wit.Change]:
            return answered(cx.seed, lambda: changes(logic().wake(lift_context(cx))))

        def migrate(self, cx: wit.Context, from_: str) -> list[wit.Change]:
            return answered(cx.seed, lambda: changes(logic().migrate(lift_context(cx), from_)))

    return TodoListLogic


def answered(seed: int, ask: Callable[[], T]) -> T:
    """Runs one call with the command's seed. The engine writes exceptions to the log."""
    begin(seed)
    try:
        return ask()
    except Rejected as rejected:
        raise Err(wit.Rejection(rejected.code, rejected.message, rejected.field)) from None
    finally:
        sys.stdout.flush()


def held(id: int) -> wit.Entry:
    """The entry with that id. The host has checked that the list holds it."""
    entry = host.get(id)
    if entry is None:
        raise Rejected("entry-unknown", f"There is no entry {id} in this list.")
    return entry
