"""Tests of rules in plain Python, without a component, so that a debugger can step through them.

    from hotlist_testing import TestList
    from logic import TodoListLogic

    rules = TestList.of(TodoListLogic)
    assert rules.add("").code == "title-empty"

Import this module before the rules: it takes the place of the host's interfaces. The folder of the SDK has to be on
the path, as with `PYTHONPATH=sdk python3 -m unittest`.
"""

from __future__ import annotations

import copy
import datetime
import math
import sys
import types
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from typing import Any


def install() -> None:
    """Puts the modules of the contract in place that a component gets from its build."""

    def module(name: str, **members: Any) -> types.ModuleType:
        made = types.ModuleType(name)
        made.__dict__.update(members)
        sys.modules[name] = made
        return made

    def record(name: str, *members: str) -> type:
        return make_dataclass(name, members)

    class Reading(Enum):
        HOST = 0
        LOGIC = 1

    class Kind(Enum):
        BOOLEAN = 0
        NUMBER = 1
        TEXT = 2
        DATE = 3
        TEXTS = 4
        ENTRY = 5
        ENTRIES = 6

    records = {
        "Date": ("year", "month", "day"),
        "Field": ("name", "value"),
        "FieldPatch": ("name", "value"),
        "Entry": ("id", "title", "date", "completed", "order", "fields"),
        "Draft": ("title", "date", "completed", "order", "fields"),
        "Patch": ("title", "date", "completed", "order", "fields"),
        "Context": ("now", "today", "utc_offset", "caller", "seed"),
        "Query": ("view", "date", "completed", "after", "limit"),
        "Rejection": ("code", "message", "field"),
        "Schema": ("name", "title", "kind", "required", "choices"),
        "CommandSchema": ("name", "title", "arguments"),
        "ViewSchema": ("name", "title"),
        "Description": (
            "title",
            "summary",
            "version",
            "fields",
            "settings",
            "commands",
            "views",
            "reading",
            "wakes",
        ),
        "Row": ("id", "computed"),
        "Group": ("name", "title", "computed", "rows"),
        "Page": ("groups", "more"),
    }
    members: dict[str, Any] = {name: record(name, *names) for name, names in records.items()}
    for name in ("Boolean", "Number", "Text", "Date", "Texts", "Entry", "Entries"):
        members[f"Value_{name}"] = record(f"Value_{name}", "value")
    for name in ("DatePatch", "OrderPatch"):
        members[f"{name}_Leave"] = record(f"{name}_Leave")
        members[f"{name}_Clear"] = record(f"{name}_Clear")
        members[f"{name}_Set"] = record(f"{name}_Set", "value")
    for name in ("Put", "Remove", "Set", "Unset"):
        members[f"Change_{name}"] = record(f"Change_{name}", "value")
    members.update(Reading=Reading, Kind=Kind, Value=Any, Change=Any)

    class Err(Exception):
        """A rejection, as a component raises it."""

        def __init__(self, value: Any) -> None:
            super().__init__(value)
            self.value = value

    contract = module("wit_world.imports.types", **members)
    reads = {name: (lambda name: lambda *given: getattr(shown(), name)(*given))(name) for name in READS}
    current = module("wit_world.imports.current_list", **reads)
    imports = module("wit_world.imports", types=contract, current_list=current)
    module("wit_world", imports=imports)
    module("componentize_py_types", Err=Err)


READS = ("get", "on_date", "scan", "count", "count_open", "next_id", "settings", "setting")
"""The functions of the host with which rules read their list."""

_shown: Contents | None = None
"""The list of the call at hand."""


def shown() -> Contents:
    """The list of the call at hand."""
    if _shown is None:
        raise RuntimeError("rules read a list only while they are asked; ask them through a TestList")
    return _shown


@dataclass
class Contents:
    """A list in the form of the contract. Each answer is a copy, because rules may change what they read."""

    entries: dict[int, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    last_id: int = 0

    def ascending(self) -> list[Any]:
        return copy.deepcopy([self.entries[id] for id in sorted(self.entries)])

    def get(self, id: int) -> Any:
        return copy.deepcopy(self.entries.get(id))

    def on_date(self, day: Any) -> list[Any]:
        return [entry for entry in self.ascending() if entry.date == day]

    def scan(self, after: int, limit: int) -> list[Any]:
        return [entry for entry in self.ascending() if entry.id > after][: min(limit, 1_000)]

    def count(self) -> int:
        return len(self.entries)

    def count_open(self) -> int:
        return sum(not entry.completed for entry in self.entries.values())

    def next_id(self) -> int:
        return self.last_id + 1

    def settings(self) -> list[Any]:
        return [wit.Field(name, copy.deepcopy(self.values[name])) for name in sorted(self.values)]

    def setting(self, name: str) -> Any:
        return copy.deepcopy(self.values.get(name))


install()

from componentize_py_types import Err  # noqa: E402
from wit_world.imports import types as wit  # noqa: E402

from hotlist import Context, Entry, Kind, Rejected, Schema  # noqa: E402
from hotlist.lifting import lift_entry, lift_value  # noqa: E402
from hotlist.lowering import lower_computed, lower_date, lower_value  # noqa: E402

MAX_CHANGES = 20_000
MAX_FIELDS = 64
MAX_ITEMS = 1_000
MAX_TEXT_BYTES = 10_000
MAX_TITLE_CHARS = 1_000


class Broken(AssertionError):
    """The host would refuse the call, or the rules break the contract."""


def context(**given: Any) -> Context:
    """A context for tests: an anonymous caller at noon on 23 November 2026, in UTC; or with what is given."""
    noon = {"now": 1_795_435_200_000, "today": datetime.date(2026, 11, 23), "utc_offset": 0}
    return Context(**{**noon, "caller": "anonymous", "seed": 7, **given})


class TestList:
    """A list of some rules. It asks them as the host does, checks their answers against their description as strictly
    as the host, and applies them. A decision returns the `Rejected`, or `None` when it was applied. What the host would
    refuse, and an answer that breaks the contract, raises `Broken`."""

    __test__ = False  # It is no test of pytest.

    def __init__(self, rules: type) -> None:
        self.rules = rules()
        self.description = self.rules.describe()
        self.contents = Contents()

    @classmethod
    def of(cls, rules: type) -> TestList:
        """An empty list of the rules that a plugin exports as `TodoListLogic`."""
        return cls(rules)

    def with_entry(self, title: str, **members: Any) -> TestList:
        """Adds an entry without asking the rules. `fields` holds its fields, by name, which may be those of other rules,
        for a migration."""
        others = {name: value for name, value in members.get("fields", {}).items() if not self._declares(name)}
        declared = {name: value for name, value in members.get("fields", {}).items() if self._declares(name)}
        draft = self._draft(title, **{**members, "fields": declared})
        draft.fields += lower_computed(others)
        self.contents.last_id += 1
        id = self.contents.last_id
        fields = (draft.title, draft.date, draft.completed, draft.order, draft.fields)
        self.contents.entries[id] = wit.Entry(id, *fields)
        return self

    def with_setting(self, name: str, value: Any) -> TestList:
        """Sets a setting without asking the rules."""
        self.contents.values[name] = self._value(self.description.settings, name, value)
        return self

    def get(self, id: int) -> Entry | None:
        """The entry with that id."""
        entry = self.contents.get(id)
        return None if entry is None else lift_entry(entry)

    def all(self) -> list[Entry]:
        """All entries, ids ascending."""
        return [lift_entry(entry) for entry in self.contents.ascending()]

    def setting(self, name: str) -> Any:
        """One setting, if it has a value."""
        value = self.contents.setting(name)
        return None if value is None else lift_value(value)

    def add(self, title: str, cx: Context | None = None, **members: Any) -> Rejected | None:
        """Adds an entry. `date`, `completed`, `order` and `fields` are optional."""
        draft = self._draft(title, **members)
        return self._decide(cx, lambda given: self.rules.add_entry(given, draft))

    def update(self, id: int, cx: Context | None = None, **patch: Any) -> Rejected | None:
        """Changes an entry. `None` takes a date, an order or a field away."""
        if id not in self.contents.entries:
            raise Broken(f"there is no entry {id}")

        def change(name: str, lower: Any) -> Any:
            variant = "DatePatch" if name == "date" else "OrderPatch"
            if name not in patch:
                return getattr(wit, f"{variant}_Leave")()
            if patch[name] is None:
                return getattr(wit, f"{variant}_Clear")()
            return getattr(wit, f"{variant}_Set")(lower(patch[name]))

        schemas = self.description.fields
        fields = [
            wit.FieldPatch(name, None if value is None else self._value(schemas, name, value))
            for name, value in patch.get("fields", {}).items()
        ]
        given = wit.Patch(
            patch.get("title"),
            change("date", lower_date),
            patch.get("completed"),
            change("order", float),
            fields,
        )
        return self._decide(cx, lambda of: self.rules.update_entry(of, id, given))

    def delete(self, id: int, cx: Context | None = None) -> Rejected | None:
        """Deletes an entry."""
        if id not in self.contents.entries:
            raise Broken(f"there is no entry {id}")
        return self._decide(cx, lambda given: self.rules.delete_entry(given, id))

    def command(self, name: str, cx: Context | None = None, **arguments: Any) -> Rejected | None:
        """Runs a command. Underscores in names of arguments are hyphens."""
        found = [command for command in self.description.commands if command.name == name]
        if not found:
            raise Broken(f"the rules declare no command {name}")
        schemas = found[0].arguments
        values = {key.rstrip("_").replace("_", "-"): value for key, value in arguments.items()}
        for schema in schemas:
            if schema.required and values.get(schema.name) is None:
                raise Broken(f"argument {schema.name} of command {name} is required")
        given = [wit.Field(key, self._value(schemas, key, value)) for key, value in values.items()]
        return self._decide(cx, lambda of: self.rules.command(of, name, given))

    def configure(self, settings: dict[str, Any], cx: Context | None = None) -> Rejected | None:
        """Changes settings; `None` takes one away."""
        schemas = self.description.settings
        patches = [
            wit.FieldPatch(name, None if value is None else self._value(schemas, name, value))
            for name, value in settings.items()
        ]
        return self._decide(cx, lambda given: self.rules.configure(given, patches))

    def wake(self, cx: Context | None = None) -> Rejected | None:
        """Wakes the list."""
        return self._decide(cx, self.rules.wake)

    def migrate(self, before: str, cx: Context | None = None) -> Rejected | None:
        """Migrates the list from other rules, such as `todo@1.0.0`."""
        return self._decide(cx, lambda given: self.rules.migrate(given, before))

    def next_wake_up(self, cx: Context | None = None) -> int | None:
        """When the list is to be woken, in milliseconds since the epoch."""
        return self._ask(cx, self.rules.next_wake_up)

    def view(
        self,
        name: str | None,
        cx: Context | None = None,
        date: datetime.date | None = None,
        completed: bool | None = None,
        after: int | None = None,
        limit: int = 1_000,
    ) -> list[tuple[str, list[int]]]:
        """The groups of a view with the ids of their rows. A rejection is raised as `Rejected`."""
        query = wit.Query(name, None if date is None else lower_date(date), completed, after, limit)
        try:
            page = self._ask(cx, lambda given: self.rules.entries(given, query))
        except Err as err:
            raise rejected(err) from None
        return [(group.name, [row.id for row in group.rows]) for group in page.groups]

    def _ask(self, cx: Context | None, ask: Any) -> Any:
        global _shown
        cx = cx or context()
        _shown = self.contents
        return ask(wit.Context(cx.now, lower_date(cx.today), cx.utc_offset, cx.caller, cx.seed))

    def _decide(self, cx: Context | None, ask: Any) -> Rejected | None:
        try:
            changes = self._ask(cx, ask)
        except Err as err:
            return rejected(err)
        if len(changes) > MAX_CHANGES:
            raise Broken(f"the rules make {len(changes)} changes, and the limit is {MAX_CHANGES}")
        before = copy.deepcopy(self.contents)
        try:
            for change in changes:
                self._apply(change)
        except Broken:
            self.contents = before
            raise
        return None

    def _apply(self, change: Any) -> None:
        match change:
            case wit.Change_Put(entry):
                self._check_entry(entry)
                self.contents.last_id = max(self.contents.last_id, entry.id)
                self.contents.entries[entry.id] = copy.deepcopy(entry)
            case wit.Change_Remove(id):
                if self.contents.entries.pop(id, None) is None:
                    raise Broken(f"the rules remove entry {id}, which is not there")
            case wit.Change_Set(setting):
                check(self.description.settings, setting.name, setting.value)
                self.contents.values[setting.name] = copy.deepcopy(setting.value)
            case wit.Change_Unset(name):
                self.contents.values.pop(name, None)

    def _check_entry(self, entry: Any) -> None:
        before = self.contents.entries.get(entry.id)
        if before is None and entry.id != self.contents.last_id + 1:
            raise Broken(f"the rules put entry {entry.id}, but the next id is {self.contents.last_id + 1}")
        order = entry.order is None or math.isfinite(entry.order)
        if len(entry.title) > MAX_TITLE_CHARS or not order or len(entry.fields) > MAX_FIELDS:
            raise Broken(f"the rules put entry {entry.id} with a title, an order or fields beyond the limits")
        for given in entry.fields:
            if before is None or given not in before.fields:
                check(self.description.fields, given.name, given.value)

    def _draft(
        self,
        title: str,
        date: datetime.date | None = None,
        completed: bool = False,
        order: float | None = None,
        fields: dict[str, Any] | None = None,
    ) -> Any:
        schemas = self.description.fields
        values = [(name, value) for name, value in (fields or {}).items() if value is not None]
        lowered = [wit.Field(name, self._value(schemas, name, value)) for name, value in values]
        return wit.Draft(title, None if date is None else lower_date(date), completed, order, lowered)

    def _declares(self, name: str) -> bool:
        return any(schema.name == name for schema in self.description.fields)

    def _value(self, schemas: list[Any], name: str, value: Any) -> Any:
        found = [schema for schema in schemas if schema.name == name]
        kind = Kind(found[0].kind.value) if found else None
        lowered = None if kind is None else lower_value(Schema("", kind), value)
        if lowered is None:
            problem = f"it is declared as {kind.name}" if kind else "it is not declared"
            raise Broken(f"the host refuses {name}: {problem}")
        return lowered


def rejected(err: Any) -> Rejected:
    """The rejection of a call."""
    return Rejected(err.value.code, err.value.message, err.value.field)


def check(schemas: list[Any], name: str, value: Any) -> None:
    """Checks a value of the contract as the host does."""
    found = [schema for schema in schemas if schema.name == name]
    kind = type(value).__name__.removeprefix("Value_").upper()
    if not found or found[0].kind.name != kind:
        problem = f" as {kind}, but as {found[0].kind.name}" if found else ""
        raise Broken(f"{name} is not declared{problem}")
    plain = value.value
    texts = [plain] if kind == "TEXT" else plain if kind == "TEXTS" else []
    choices = found[0].choices
    if choices and any(text not in choices for text in texts):
        raise Broken(f"{name} is {plain!r}, which is none of its choices")
    is_long = any(len(text.encode()) > MAX_TEXT_BYTES for text in texts)
    is_odd = kind == "NUMBER" and not math.isfinite(plain)
    if is_long or is_odd or (isinstance(plain, list) and len(plain) > MAX_ITEMS):
        raise Broken(f"{name} is beyond the limits")
