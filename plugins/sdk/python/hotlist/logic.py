"""What a plugin implements."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from .answers import Change, Group, Page, put, remove, set_setting
from .reading import current_list
from .values import Context, Entry, Kind, Query, Schema, Value

Answer = Iterable[Change] | Change | None
"""What a command changes: one change, several, also of a generator, or nothing. All are applied, or none."""


@dataclass
class Command:
    """A command, as its decorator notes it down."""

    name: str
    title: str
    arguments: dict[str, Schema]
    parameters: dict[str, str]
    """What the method calls each argument."""


@dataclass
class View:
    """A view, as its decorator notes it down."""

    name: str
    title: str


Mark = TypeVar("Mark", Command, View)


def named(method: Callable) -> str:
    """What the contract calls a method: `clear_bought` is `clear-bought`, `return_` is `return`."""
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

    Every method is pure: it knows its arguments and the `current_list`, and answers the same when asked
    the same. One that is left out does what its comment says. There is a new object for every call, so
    what is kept on `self` is gone after it."""

    title: ClassVar[str]
    """What people call it."""
    summary: ClassVar[str] = ""
    """What it does, in a sentence or two."""
    version: ClassVar[str]
    """Its own version, as semantic versioning writes it."""
    fields: ClassVar[Mapping[str, Schema]] = {}
    """The custom fields of its entries, by name: lower-case words with hyphens."""
    settings: ClassVar[Mapping[str, Schema]] = {}
    """The settings of its lists, by name."""

    def check(self, cx: Context, entry: Entry, before: Entry | None) -> None:
        """Raises `Rejected` if an entry may not become what `entry` is. It was `before`, or is being
        added where that is `None`. The usual `add` and `update` ask here, so that a rule about entries is
        written once. Usually every entry is welcome."""

    def add(self, cx: Context, draft: Entry) -> Answer:
        """A caller wants an entry added. Usually it gets the next id, if `check` agrees."""
        entry = replace(draft, id=current_list.next_id())
        self.check(cx, entry, None)
        return put(entry)

    def update(self, cx: Context, entry: Entry, before: Entry) -> Answer:
        """A caller wants an entry changed to what `entry` is. Usually it is, if `check` agrees."""
        self.check(cx, entry, before)
        return put(entry)

    def delete(self, cx: Context, entry: Entry) -> Answer:
        """A caller wants an entry gone. Usually it goes."""
        return remove(entry)

    def configure(self, cx: Context, settings: dict[str, Value | None]) -> Answer:
        """A caller wants settings set, which fit their schemas, or taken away, where they are `None`.
        Usually they are."""
        return [set_setting(name, value) for name, value in settings.items()]

    def entries(self, cx: Context, query: Query) -> Page:
        """A reader wants a page of the plain list. Usually the host answers by itself, which is much the
        cheapest; it asks here if a logic has this method."""
        return plain_page(query)

    def next_wake_up(self, cx: Context) -> float | None:
        """When the list next wants to be woken, in milliseconds since the epoch; asked after every
        change, if a logic has this method. Usually never."""
        return None

    def wake(self, cx: Context) -> Answer:
        """That time has come. Usually nothing happens."""
        return None

    def migrate(self, cx: Context, before: str) -> Answer:
        """The list was kept by another logic until now, named as `todo@1.0.0`. Usually it stays as it is:
        fields that this logic does not know do no harm."""
        return None


def marked(logic: type[Logic], what: type[Mark]) -> dict[str, tuple[Mark, Callable]]:
    """The commands or the views of a logic, in the order in which the author wrote them."""
    methods = {name: method for base in reversed(logic.__mro__) for name, method in vars(base).items()}
    found = [(method.hotlist, method) for method in methods.values() if hasattr(method, "hotlist")]
    return {mark.name: (mark, method) for mark, method in found if isinstance(mark, what)}


def matches(entry: Entry, query: Query) -> bool:
    """Whether an entry is among those that a query asks for, by date and completion."""
    return query.date in (None, entry.date) and query.completed in (None, entry.completed)


def plain_page(query: Query) -> Page:
    """The plain answer to a query, whatever view it names: ids ascending, filtered by date and
    completion, in one group without a name."""
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
