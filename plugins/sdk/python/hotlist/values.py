"""What logic talks about: entries, values and circumstances."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Value = bool | float | str | datetime.date | list[str] | int | list[int]
"""The value of a field, a setting or an argument; see `Kind` for which is which."""


class Kind(Enum):
    """The types of values."""

    BOOLEAN = 0
    """A `bool`."""
    NUMBER = 1
    """A `float`, always finite; an `int` is taken for one."""
    TEXT = 2
    """A `str` of at most 10,000 bytes."""
    DATE = 3
    """A `datetime.date`."""
    TEXTS = 4
    """A list of at most 1,000 `str`."""
    ENTRY = 5
    """An `int`, the id of an entry of this list, which need not be there any more."""
    ENTRIES = 6
    """A list of at most 1,000 such ids."""


@dataclass(slots=True)
class Schema:
    """What a logic says of one custom field, setting or argument."""

    title: str
    """What people call it."""
    kind: Kind
    required: bool | None = None
    """An argument that must be given; `None` asks the parameter of the method: one with a default need
    not be. For fields and settings the host does not enforce it."""
    choices: Sequence[str] = ()
    """For texts: the only values allowed."""


@dataclass(slots=True)
class Entry:
    """One thing to do. Each reading gives a new object, which may be changed and put back."""

    title: str
    """At most 1,000 characters."""
    date: datetime.date | None = None
    completed: bool = False
    order: float | None = None
    """Where a client wants the entry shown. The host stores it and does not sort by it."""
    fields: dict[str, Any] = field(default_factory=dict)
    """The values of custom fields, by name, each a `Value`. One that is `None` is as good as not there."""
    id: int | None = None
    """Names the entry within its list. Ids start at 1, grow, and are never given twice. `None` is an
    entry that the list does not hold yet: it gets the next one."""


@dataclass(slots=True)
class Context:
    """Everything about a command's circumstances that logic may depend on."""

    now: int
    """Milliseconds since 1970-01-01T00:00:00Z, when the host took the command up."""
    today: datetime.date
    """The date at that moment in the server's time zone."""
    utc_offset: int
    """How many minutes that zone is ahead of UTC at that moment; negative where it is behind."""
    caller: str
    """Who asks: the name that an authenticating proxy vouched for, or `anonymous`; `hotlist` when it is
    the host itself, which wakes lists and tries out new components."""
    seed: int
    """A random number, new for every command. What `random` gives follows from it."""


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
