"""Conversion from the contract's types to those of authors."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from wit_world.imports import types as wit

from .values import Context, Entry, Query, Value


def lift_date(date: wit.Date) -> datetime.date:
    """A date. Python has no year 0, so a date in it becomes Python's first date."""
    return datetime.date(date.year, date.month, date.day) if date.year > 0 else datetime.date.min


def lift_optional_date(date: wit.Date | None) -> datetime.date | None:
    """A date, if there is one."""
    return None if date is None else lift_date(date)


def lift_value(value: wit.Value) -> Value:
    """The value inside a tagged value of the contract."""
    return lift_date(value.value) if isinstance(value, wit.Value_Date) else value.value


def lift_patches(patches: Iterable[wit.FieldPatch]) -> dict[str, Value | None]:
    """Values by name; `None` for one to remove."""
    return {patch.name: None if patch.value is None else lift_value(patch.value) for patch in patches}


def lift_fields(fields: Iterable[wit.Field]) -> dict[str, Value]:
    """Values by name."""
    return {field.name: lift_value(field.value) for field in fields}


def lift_entry(entry: wit.Entry) -> Entry:
    """An entry of the list."""
    date = lift_optional_date(entry.date)
    return Entry(entry.title, date, entry.completed, entry.order, lift_fields(entry.fields), entry.id)


def lift_draft(draft: wit.Draft) -> Entry:
    """An entry that the list does not hold yet."""
    date = lift_optional_date(draft.date)
    return Entry(draft.title, date, draft.completed, draft.order, lift_fields(draft.fields))


def patched(before: wit.Entry, patch: wit.Patch) -> Entry:
    """An entry after a patch."""
    entry = lift_entry(before)
    if patch.title is not None:
        entry.title = patch.title
    if isinstance(patch.date, wit.DatePatch_Set):
        entry.date = lift_date(patch.date.value)
    elif isinstance(patch.date, wit.DatePatch_Clear):
        entry.date = None
    if patch.completed is not None:
        entry.completed = patch.completed
    if isinstance(patch.order, wit.OrderPatch_Set):
        entry.order = patch.order.value
    elif isinstance(patch.order, wit.OrderPatch_Clear):
        entry.order = None
    for field in patch.fields:
        if field.value is None:
            entry.fields.pop(field.name, None)
        else:
            entry.fields[field.name] = lift_value(field.value)
    return entry


def lift_context(cx: wit.Context) -> Context:
    """A command's circumstances."""
    return Context(cx.now, lift_date(cx.today), cx.utc_offset, cx.caller, cx.seed)


def lift_query(query: wit.Query) -> Query:
    """A read request."""
    return Query(query.view, lift_optional_date(query.date), query.completed, query.after, query.limit)
