"""What logic answers: changes, rejections and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .values import Entry, Query, Value


class Rejected(Exception):
    """What is asked is not carried out."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        """`code` is for programs: lower-case words with hyphens, such as `title-empty`, and never
        reworded. `message` is for people: a sentence that says what to do. `field` is the attribute,
        field or argument at fault, where there is one."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


@dataclass(slots=True)
class Put:
    """Adds an entry, or replaces the one of its id."""

    entry: Entry


@dataclass(slots=True)
class Remove:
    """Removes an entry, which must be there."""

    id: int


@dataclass(slots=True)
class SetSetting:
    """Gives a list setting a value, or takes it away where that is `None`."""

    name: str
    value: Value | None


Change = Put | Remove | SetSetting
"""One step of what a command does to the list."""


def put(entry: Entry) -> Put:
    """Adds an entry, or replaces the one of its id. Without an id it is a new one, and gets the next."""
    return Put(entry)


def remove(entry: Entry | int) -> Remove:
    """Removes an entry, which must be there."""
    if isinstance(entry, int):
        return Remove(entry)
    if entry.id is None:
        raise TypeError(f"{entry} was never on the list, and cannot be removed from it")
    return Remove(entry.id)


def set_setting(name: str, value: Value | None) -> SetSetting:
    """Gives a list setting a value, or takes it away where that is `None`."""
    return SetSetting(name, value)


@dataclass(slots=True)
class Row:
    """One entry in an answer, with values that were worked out for it. They are shown and never stored;
    one that is `None` is left out."""

    id: int
    computed: dict[str, Value | None] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """Rows under one heading."""

    name: str
    """For programs; unique in the page."""
    title: str
    """For people."""
    rows: Sequence[Row | Entry | int] = ()
    """The entries, their ids, or rows that say more."""
    computed: dict[str, Value | None] = field(default_factory=dict)
    """Values worked out for the whole group."""


@dataclass(slots=True)
class Page:
    """The answer to a query: one unnamed group for a plain list, or as many as the view has."""

    groups: list[Group]
    more: bool = False
    """Whether more rows follow the last one."""

    @classmethod
    def cut(cls, groups: Sequence[Group], query: Query) -> Page:
        """The page that a query asks for of a whole view: the rows behind `after`, and no more than
        `limit`. The groups hold all rows in their order, filtered by `matches` already. They stay, also
        without rows. Rejects a query whose `after` is not in the view any more.

        Meant for lists that people read: it costs what the whole view costs, for every page."""
        behind = query.after is None
        page = cls([])
        room = query.limit
        for group in groups:
            rows = []
            for row in group.rows:
                if behind and room > 0:
                    rows.append(row)
                    room -= 1
                elif behind:
                    page.more = True
                behind = behind or id_of(row) == query.after
            page.groups.append(replace(group, rows=rows))
        if not behind:
            raise Rejected(
                "after-gone",
                f"Entry {query.after} is not in this view any more, so no page can follow it. "
                "Start from the first page again.",
                "after",
            )
        return page


def id_of(row: Row | Entry | int) -> int:
    """The id of the entry that a row is about."""
    found = row if isinstance(row, int) else row.id
    if found is None:
        raise TypeError(f"{row} was never on the list, and cannot be a row")
    return found
