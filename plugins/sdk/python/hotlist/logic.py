"""The class that a plugin implements."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from .answers import Change, Group, Page, put, remove, set_setting
from .reading import current_list
from .undeclared import is_later, without_undeclared
from .values import Context, Entry, Kind, Query, Schema, Value

Answer = Iterable[Change] | Change | None
"""The answer to a command: one change, several (a generator is allowed), or nothing. All are applied, or none."""


@dataclass
class Command:
    """A command, as its decorator records it."""

    name: str
    title: str
    arguments: dict[str, Schema]
    parameters: dict[str, str]
    """The parameter of each argument."""


@dataclass
class View:
    """A view, as its decorator records it."""

    name: str
    title: str


Mark = TypeVar("Mark", Command, View)


def named(method: Callable) -> str:
    """The contract's name of a method: `clear-bought` for `clear_bought`, `return` for `return_`."""
    return method.__name__.strip("_").replace("_", "-")


def command(title: str, **arguments: Schema | Kind) -> Callable[[Callable], Callable]:
    """Makes a method `(self, cx, …)` a command, with arguments of these kinds.

    An argument whose parameter has a default need not be given. Underscores in names are hyphens
    outside, and one at the end is dropped."""

    def decorate(method: Callable) -> Callable:
        parameters = inspect.signature(method).parameters
        schemas: dict[str, Schema] = {}
        called: dict[str, str] = {}
        for parameter, given in arguments.items():
            name = parameter.rstrip("_").replace("_", "-")
            schema = Schema(name.replace("-", " ").capitalize(), given) if isinstance(given, Kind) else given
            if schema.required is None:
                schema = replace(schema, required=parameters[parameter].default is inspect.Parameter.empty)
            schemas[name] = schema
            called[name] = parameter
        method.hotlist = Command(named(method), title, schemas, called)  # type: ignore[attr-defined]
        return method

    return decorate


def view(title: str) -> Callable[[Callable], Callable]:
    """Makes a method `(self, cx, query)` that answers with a `Page` a view. Its name is the method's,
    with hyphens."""

    def decorate(method: Callable) -> Callable:
        method.hotlist = View(named(method), title)  # type: ignore[attr-defined]
        return method

    return decorate


class Logic:
    """The meaning of a list.

    Every method is pure: its answer depends on its arguments and the `current_list` only. Each comment
    describes the default. Each call uses a new object, so attributes of `self` are lost after it."""

    title: ClassVar[str]
    """The name that users see."""
    summary: ClassVar[str] = ""
    """What the logic does, in a sentence or two."""
    version: ClassVar[str]
    """The version of the logic, in semantic versioning."""
    fields: ClassVar[Mapping[str, Schema]] = {}
    """The custom fields of entries, by name: lower-case words with hyphens."""
    settings: ClassVar[Mapping[str, Schema]] = {}
    """The settings of lists, by name."""

    def check(self, cx: Context, entry: Entry, before: Entry | None) -> None:
        """Raises `Rejected` if an entry may not become `entry`. It was `before`, or is being added if that is
        `None`. The default `add` and `update` call it, so that a rule about entries is written once. By default
        every entry is accepted."""

    def add(self, cx: Context, draft: Entry) -> Answer:
        """Decides the addition of an entry. By default it gets the next id if `check` accepts it."""
        entry = replace(draft, id=current_list.next_id())
        self.check(cx, entry, None)
        return put(entry)

    def update(self, cx: Context, entry: Entry, before: Entry) -> Answer:
        """Decides the change of `before` to `entry`. By default it is made if `check` accepts it."""
        self.check(cx, entry, before)
        return put(entry)

    def delete(self, cx: Context, entry: Entry) -> Answer:
        """Decides the deletion of an entry. By default it is removed."""
        return remove(entry)

    def configure(self, cx: Context, settings: dict[str, Value | None]) -> Answer:
        """Decides a change of settings, which match their schemas; `None` removes one. By default they are set or
        removed."""
        return [set_setting(name, value) for name, value in settings.items()]

    def entries(self, cx: Context, query: Query) -> Page:
        """Answers a read of the plain list, if a logic has this method. By default the host answers, which is by
        far the cheapest."""
        return plain_page(query)

    def next_wake_up(self, cx: Context) -> float | None:
        """The time of the next wake-up, in milliseconds since the epoch. Called after every change, if a logic has
        this method. By default never."""
        return None

    def wake(self, cx: Context) -> Answer:
        """Decides what happens at the time of a wake-up. By default nothing changes."""
        return None

    def migrate(self, cx: Context, before: str) -> Answer:
        """Migrates a list from the logic and version `before`, such as `todo@1.0.0`. By default the values are taken
        away that this logic does not declare, or declares in another way. A list that comes back from a later version
        keeps them for the day on which that version decides again."""
        return None if is_later(before, self.version) else without_undeclared(self.fields, self.settings)


def marked(logic: type[Logic], what: type[Mark]) -> dict[str, tuple[Mark, Callable]]:
    """The commands or the views of a logic, in the order in which the author wrote them."""
    methods = {name: method for base in reversed(logic.__mro__) for name, method in vars(base).items()}
    found = [(method.hotlist, method) for method in methods.values() if hasattr(method, "hotlist")]
    return {mark.name: (mark, method) for mark, method in found if isinstance(mark, what)}


def matches(entry: Entry, query: Query) -> bool:
    """Whether an entry matches a query's date and completion."""
    return query.date in (None, entry.date) and query.completed in (None, entry.completed)


def plain_page(query: Query) -> Page:
    """The plain page of a query, whichever view it names: ids ascending, filtered by date and completion, in
    one unnamed group."""
    after = query.after or 0
    if query.date is None:
        entries = current_list.all(after)
    else:
        entries = (entry for entry in current_list.on_date(query.date) if (entry.id or 0) > after)
    rows: list[Entry] = []
    for entry in entries:
        if matches(entry, query):
            if len(rows) == query.limit:
                return Page([Group("", "", rows)], more=True)
            rows.append(entry)
    return Page([Group("", "", rows)])
