"""Entries, values and contexts."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Value = bool | float | str | datetime.date | list[str] | int | list[int]
"""The value of a field, a setting or an argument; see `Kind`."""


class Kind(Enum):
    """The kinds of values."""

    BOOLEAN = 0
    """A `bool`."""
    NUMBER = 1
    """A `float`, always finite. An `int` is accepted, too."""
    TEXT = 2
    """A `str` of at most 10,000 bytes."""
    DATE = 3
    """A `datetime.date`."""
    TEXTS = 4
    """A list of at most 1,000 `str`."""
    ENTRY = 5
    """An `int`, the id of an entry of this list, which may have been deleted."""
    ENTRIES = 6
    """A list of at most 1,000 such ids."""


@dataclass(slots=True)
class Schema:
    """The declaration of one custom field, setting or argument."""

    title: str
    """The name that users see."""
    kind: Kind
    required: bool | None = None
    """Whether an argument must be given. With `None`, it must be given unless the method's parameter has a
    default. The host does not enforce it for fields and settings."""
    choices: Sequence[str] = ()
    """For kinds `text` and `texts`: the only values allowed."""


@dataclass(slots=True)
class Entry:
    """One thing to do. Each read returns a new object, which may be changed and put back."""

    title: str
    """At most 1,000 characters."""
    date: datetime.date | None = None
    completed: bool = False
    order: float | None = None
    """Where a client wants the entry shown. The host stores it and does not sort by it."""
    fields: dict[str, Any] = field(default_factory=dict)
    """The values of custom fields, by name, each a `Value`. `None` is the same as absent."""
    id: int | None = None
    """Identifies the entry within its list. Ids start at 1, increase, and are never reused. `None` is a new
    entry, which gets the next id."""


@dataclass(slots=True)
class Context:
    """The circumstances of a command. Logic depends on nothing else outside its list and arguments."""

    now: int
    """Milliseconds since 1970-01-01T00:00:00Z, when the host started to decide the command."""
    today: datetime.date
    """The date at `now` in the server's time zone."""
    utc_offset: int
    """The offset of that zone from UTC at `now`, in minutes; positive east of Greenwich."""
    caller: str
    """The caller's name from an authenticating proxy, or `anonymous`. It is `hotlist` for calls by the host
    itself, which wakes lists and runs the conformance probes."""
    seed: int
    """A random number, new for each command. It seeds `random`."""


@dataclass(slots=True)
class Query:
    """What a reader asks for."""

    view: str | None
    """The view, or `None` for the plain list."""
    date: datetime.date | None
    """Only entries of that day."""
    completed: bool | None
    """Only entries that are completed, or that are not."""
    after: int | None
    """Only rows behind this entry, in the order of the answer; for the next page."""
    limit: int
    """At most so many rows; 1 to 1,000."""
