"""The list at hand, to read."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from wit_world.imports import current_list as host

from .lifting import lift_entry, lift_fields, lift_value
from .lowering import lower_date
from .values import Entry, Value

CHUNK = 250
"""How many entries are asked for at once: enough that the asking costs little."""


class CurrentList:
    """The list that a call is about: read-only, and the same from the call's start to its end."""

    def get(self, id: int) -> Entry | None:
        """The entry of that id, if the list holds it."""
        entry = host.get(id)
        return None if entry is None else lift_entry(entry)

    def on_date(self, day: datetime.date) -> list[Entry]:
        """The entries of one day, ids ascending. Costs what it returns, not what the list holds."""
        return [lift_entry(entry) for entry in host.on_date(lower_date(day))]

    def scan(self, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries with ids over `after`, ascending. A limit over 1,000 counts as 1,000."""
        return [lift_entry(entry) for entry in host.scan(after, limit)]

    def all(self, after: int = 0) -> Iterator[Entry]:
        """All entries with ids over `after`, ascending. Costs what is taken of it."""
        while True:
            chunk = host.scan(after, CHUNK)
            for entry in chunk:
                yield lift_entry(entry)
            if len(chunk) < CHUNK:
                return
            after = chunk[-1].id

    def count(self) -> int:
        """How many entries there are. Costs the same for any list."""
        return host.count()

    def count_open(self) -> int:
        """How many entries are not completed. Costs the same for any list."""
        return host.count_open()

    def next_id(self) -> int:
        """The id that the next new entry gets."""
        return host.next_id()

    def settings(self) -> dict[str, Value]:
        """The list's settings, by name."""
        return lift_fields(host.settings())

    def setting(self, name: str) -> Value | None:
        """One setting, if it has a value."""
        value = host.setting(name)
        return None if value is None else lift_value(value)


current_list = CurrentList()
"""The list that a call is about."""
