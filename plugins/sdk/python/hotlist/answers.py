"""The answers of logic: changes, rejections and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .values import Entry, Query, Value


class Rejected(Exception):
    """The command is refused."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        """`code` is for programs: lower-case words with hyphens, such as `title-empty`. It never changes.
        `message` is for users: a sentence that says what to do. `field` is the attribute, field or argument
        that caused the rejection, if there is one."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


@dataclass(slots=True)
class Put:
    """Adds an entry, or replaces the one with its id."""

    entry: Entry


@dataclass(slots=True)
class Remove:
    """Removes an entry, which must exist."""

    id: int


@dataclass(slots=True)
class SetSetting:
    """Sets a list setting, or removes it if the value is `None`."""

    name: str
    value: Value | None


Change = Put | Remove | SetSetting
"""One change of the list."""


def put(entry: Entry) -> Put:
    """Adds an entry, or replaces the one with its id. An entry without an id is new and gets the next one."""
    return Put(entry)


def remove(entry: Entry | int) -> Remove:
    """Removes an entry, which must exist."""
    if isinstance(entry, int):
        return Remove(entry)
    if entry.id is None:
        raise TypeError(f"{entry} was never on the list, and cannot be removed from it")
    return Remove(entry.id)


def set_setting(name: str, value: Value | None) -> SetSetting:
    """Sets a list setting, or removes it if the value is `None`."""
    return SetSetting(name, value)


@dataclass(slots=True)
class Row:
    """One entry in a page, with computed values. They are shown and never stored. `None` is left out."""

    id: int
    computed: dict[str, Value | None] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """Rows under one heading."""

    name: str
    """For programs; unique in the page."""
    title: str
    """For users."""
    rows: Sequence[Row | Entry | int] = ()
    """Entries, ids of entries, or rows with computed values."""
    computed: dict[str, Value | None] = field(default_factory=dict)
    """Values computed for the whole group."""


@dataclass(slots=True)
class Page:
    """The answer to a query: one unnamed group for a plain list, or the groups of the view."""

    groups: list[Group]
    more: bool = False
    """Whether more rows follow the last one."""

    @classmethod
    def cut(cls, groups: Sequence[Group], query: Query) -> Page:
        """Cuts the requested page out of a whole view: the rows after `query.after`, at most `query.limit`.
        The groups hold all rows in order, filtered by `matches` already. Groups without rows are kept. If the
        entry `after` is not in the view, it rejects the query.

        Each page costs as much as the whole view, so this suits lists of a size that people read."""
        started = query.after is None
        page = cls([])
        remaining = query.limit
        for group in groups:
            rows = []
            for row in group.rows:
                if started and remaining > 0:
                    rows.append(row)
                    remaining -= 1
                elif started:
                    page.more = True
                started = started or id_of(row) == query.after
            page.groups.append(replace(group, rows=rows))
        if not started:
            raise Rejected(
                "after-gone",
                f"Entry {query.after} is not in this view any more, so no page can follow it. "
                "Start from the first page again.",
                "after",
            )
        return page


def id_of(row: Row | Entry | int) -> int:
    """The id of a row's entry."""
    found = row if isinstance(row, int) else row.id
    if found is None:
        raise TypeError(f"{row} was never on the list, and cannot be a row")
    return found
