"""Conversion from the types of authors to the contract's."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping

from wit_world.imports import current_list as host
from wit_world.imports import types as wit

from .answers import Change, Page, Put, Remove, Row, SetSetting, id_of
from .lifting import lift_value
from .values import Entry, Kind, Schema, Value


def lower_date(date: datetime.date) -> wit.Date:
    """A date."""
    return wit.Date(date.year, date.month, date.day)


def is_number(value: object) -> bool:
    """Whether a value is a number. Python counts `bool` as one, too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_id(value: object) -> bool:
    """Whether a value can be the id of an entry."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    """A check whether a value is a list of such values."""
    return lambda value: isinstance(value, (list, tuple)) and all(map(fits, value))


def is_text(value: object) -> bool:
    """Whether a value can be a text."""
    return isinstance(value, str)


KINDS: dict[Kind, tuple[Callable[[object], bool], Callable]] = {
    Kind.BOOLEAN: (lambda value: isinstance(value, bool), wit.Value_Boolean),
    Kind.NUMBER: (is_number, lambda value: wit.Value_Number(float(value))),
    Kind.TEXT: (is_text, wit.Value_Text),
    Kind.DATE: (
        lambda value: isinstance(value, datetime.date),
        lambda value: wit.Value_Date(lower_date(value)),
    ),
    Kind.TEXTS: (is_list_of(is_text), lambda value: wit.Value_Texts(list(value))),
    Kind.ENTRY: (is_id, wit.Value_Entry),
    Kind.ENTRIES: (is_list_of(is_id), lambda value: wit.Value_Entries(list(value))),
}
"""For each kind, the check of a value and its conversion."""

WORKED_OUT = (Kind.BOOLEAN, Kind.NUMBER, Kind.TEXT, Kind.DATE, Kind.TEXTS, Kind.ENTRIES)
"""The kinds of values without a schema. The first match counts."""


def lower_value(schema: Schema | None, value: Value) -> wit.Value | None:
    """A value of the schema's kind, if it matches."""
    if schema is None:
        return None
    fits, made = KINDS[schema.kind]
    return made(value) if fits(value) else None


def lower_field(schemas: Mapping[str, Schema], id: int, name: str, value: Value) -> wit.Field:
    """A field of an entry. An undeclared one may be from the list's previous logic, and stays as it is."""
    lowered = lower_value(schemas.get(name), value)
    if lowered is None:
        before = host.get(id)
        kept = [field for field in before.fields if field.name == name] if before else []
        if kept and lift_value(kept[0].value) == value:
            return kept[0]
        raise TypeError(f"field {name} of entry {id} is {value!r}, which is not {expected(schemas, name)}")
    return wit.Field(name, lowered)


def lower_entry(schemas: Mapping[str, Schema], id: int, entry: Entry) -> wit.Entry:
    """An entry of the list."""
    given = [(name, value) for name, value in entry.fields.items() if value is not None]
    fields = [lower_field(schemas, id, name, value) for name, value in given]
    date = None if entry.date is None else lower_date(entry.date)
    order = None if entry.order is None else float(entry.order)
    return wit.Entry(id, entry.title, date, entry.completed, order, fields)


def lower_changes(
    fields: Mapping[str, Schema], settings: Mapping[str, Schema], answer: Iterable[Change] | Change | None
) -> list[wit.Change]:
    """The contract's changes, from one change, several, or none."""
    if answer is None:
        return []
    if isinstance(answer, (Put, Remove, SetSetting)):
        answer = [answer]
    lowered: list[wit.Change] = []
    last = 0  # Entries without an id get ids after all that have one.
    for change in answer:
        match change:
            case Put(entry):
                id = max(host.next_id(), last + 1) if entry.id is None else entry.id
                last = max(last, id)
                lowered.append(wit.Change_Put(lower_entry(fields, id, entry)))
            case Remove(id):
                lowered.append(wit.Change_Remove(id))
            case SetSetting(name, None):
                lowered.append(wit.Change_Unset(name))
            case SetSetting(name, value):
                setting = lower_value(settings.get(name), value)
                if setting is None:
                    raise TypeError(f"setting {name} is {value!r}, which is not {expected(settings, name)}")
                lowered.append(wit.Change_Set(wit.Field(name, setting)))
            case _:
                raise TypeError(f"an answer is made of put, remove and set_setting, not of {change!r}")
    return lowered


def expected(schemas: Mapping[str, Schema], name: str) -> str:
    """The kinds that a value may have, for error messages."""
    return f"of its kind, {schemas[name].kind.name}" if name in schemas else "declared at all"


def lower_computed(computed: Mapping[str, Value | None]) -> list[wit.Field]:
    """Computed values of a read. They have no schema, so their kind is derived from the value."""
    fields = []
    for name, value in computed.items():
        if value is not None:
            made = [KINDS[kind][1] for kind in WORKED_OUT if KINDS[kind][0](value)]
            if not made:
                raise TypeError(
                    f"{name} is worked out as {value!r}, which is no value that a list could hold"
                )
            fields.append(wit.Field(name, made[0](value)))
    return fields


def lower_page(page: Page) -> wit.Page:
    """An answer to a query."""
    groups = []
    for group in page.groups:
        rows = [
            wit.Row(id_of(row), lower_computed(row.computed) if isinstance(row, Row) else [])
            for row in group.rows
        ]
        groups.append(wit.Group(group.name, group.title, lower_computed(group.computed), rows))
    return wit.Page(groups, page.more)


def lower_schemas(schemas: Mapping[str, Schema]) -> list[wit.Schema]:
    """Schemas, in the order in which the author wrote them."""
    return [
        wit.Schema(
            name, schema.title, wit.Kind(schema.kind.value), bool(schema.required), list(schema.choices)
        )
        for name, schema in schemas.items()
    ]
