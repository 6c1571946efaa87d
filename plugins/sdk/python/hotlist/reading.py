"""Read access to the list of the current call."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from wit_world.imports import current_list as host
from wit_world.imports import types as wit

from .answers import Rejected
from .lifting import lift_entry, lift_fields, lift_value
from .lowering import lower_date
from .values import Entry, Value

CHUNK = 250
"""Entries per call to the host. It is large enough to make the calls cheap."""


LONG = 2_000
"""The longest list that `all` reads to its end. Reading an entry costs so much fuel that a command cannot read more."""

READ_OF_LONG = 1_000
"""How much of a longer list `all` reads."""


def entries_of_contract(after: int) -> Iterator[wit.Entry]:
    """The entries with ids over `after` as the contract has them."""
    count = host.count()
    left = count if count <= LONG else READ_OF_LONG
    while True:
        chunk = host.scan(after, CHUNK)
        for entry in chunk:
            if left == 0:
                raise Rejected(
                    "list-too-long",
                    f"This list has {count} entries, and its rules can read {LONG}. Delete some first.",
                )
            left -= 1
            yield entry
        if len(chunk) < CHUNK:
            return
        after = chunk[-1].id


class CurrentList:
    """The list of a call. It is read-only and does not change during the call."""

    def get(self, id: int) -> Entry | None:
        """The entry with that id, if the list holds it."""
        entry = host.get(id)
        return None if entry is None else lift_entry(entry)

    def on_date(self, day: datetime.date) -> list[Entry]:
        """The entries of one day, ids ascending. The cost depends on the entries returned, not on the list's size."""
        return [lift_entry(entry) for entry in host.on_date(lower_date(day))]

    def scan(self, after: int, limit: int) -> list[Entry]:
        """Up to `limit` entries with ids over `after`, ascending. A limit over 1,000 counts as 1,000."""
        return [lift_entry(entry) for entry in host.scan(after, limit)]

    def all(self, after: int = 0) -> Iterator[Entry]:
        """An iterator over all entries with ids over `after`, ascending. Only consumed entries are read. A list with
        more than 2,000 entries is read up to the 1,000th. After that the command is rejected, because it would run out
        of fuel."""
        return map(lift_entry, entries_of_contract(after))

    def count(self) -> int:
        """The number of entries. The cost is constant."""
        return host.count()

    def count_open(self) -> int:
        """The number of entries that are not completed. The cost is constant."""
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
"""The list of the current call."""
