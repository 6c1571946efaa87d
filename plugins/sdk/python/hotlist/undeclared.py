"""Values of a list that a logic does not declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wit_world.imports import current_list as host
from wit_world.imports import types as wit

from .answers import Change, put, set_setting
from .lifting import lift_entry
from .reading import entries_of_contract
from .values import Kind, Schema

CLASSES = {
    Kind.BOOLEAN: wit.Value_Boolean,
    Kind.NUMBER: wit.Value_Number,
    Kind.TEXT: wit.Value_Text,
    Kind.DATE: wit.Value_Date,
    Kind.TEXTS: wit.Value_Texts,
    Kind.ENTRY: wit.Value_Entry,
    Kind.ENTRIES: wit.Value_Entries,
}
"""The class of the contract's values of each kind."""


def undeclared(schemas: Mapping[str, Schema], fields: Iterable[wit.Field]) -> list[str]:
    """The names of the values that are not declared, or declared with another kind or other choices."""
    return [field.name for field in fields if not is_declared(schemas.get(field.name), field.value)]


def is_declared(schema: Schema | None, value: wit.Value) -> bool:
    """Whether a value fits its schema."""
    if schema is None or not isinstance(value, CLASSES[schema.kind]):
        return False
    if not schema.choices or schema.kind not in (Kind.TEXT, Kind.TEXTS):
        return True
    texts = value.value if schema.kind is Kind.TEXTS else [value.value]
    return all(text in schema.choices for text in texts)


def without_undeclared(fields: Mapping[str, Schema], settings: Mapping[str, Schema]) -> Iterable[Change]:
    """The changes that take away each field and each setting that is not declared, or declared with another kind or
    other choices."""
    for before in entries_of_contract(0):
        names = undeclared(fields, before.fields)
        if names:
            entry = lift_entry(before)
            for name in names:
                del entry.fields[name]
            yield put(entry)
    for name in undeclared(settings, host.settings()):
        yield set_setting(name, None)


def is_later(before: str, own: str) -> bool:
    """Whether `before`, such as `todo@1.10.0`, is of a later version than `own`."""

    def numbers(version: str) -> list[int]:
        release = version.partition("+")[0].partition("-")[0]
        return [int(number) if number.isdecimal() else 0 for number in release.split(".")]

    return numbers(before.rpartition("@")[2]) > numbers(own)
