"""Write list logic for Hotlist in Python.

A logic defines which commands a list accepts and what they change. It is a class whose methods all have a
default, so a logic contains only what differs. This is a complete plugin:

    from hotlist import Logic, Rejected, export

    class Tidy(Logic):
        title = "Tidy"
        version = "1.0.0"

        def check(self, cx, entry, before):
            if not entry.title.strip():
                raise Rejected("title-empty", "Give the entry a title.", "title")

    TodoListLogic = export(Tidy)

Logic is pure: an answer depends on the arguments and the `current_list`, and no state outlives a call. The host
decides some commands twice. If the answers differ, the last-good version decides the command. If there is none,
the command fails with an error. A version that fails too often is quarantined.

`time.time()` is the command's time. Its seed determines all randomness: `random`, `uuid4`, `secrets` and
`os.urandom`. `print` and uncaught exceptions write to the server's log. There is no network, no file and no
thread. Only modules that were imported while the component was built are available, so import at the top of the
file, never inside a function.
"""

from .answers import Change, Group, Page, Put, Rejected, Remove, Row, SetSetting, put, remove, set_setting
from .days import beginning_of, day_at, plus_days, plus_months
from .export import export
from .logic import Logic, command, matches, plain_page, view
from .reading import current_list
from .values import Context, Entry, Kind, Query, Schema, Value

__all__ = [
    "Change",
    "Context",
    "Entry",
    "Group",
    "Kind",
    "Logic",
    "Page",
    "Put",
    "Query",
    "Rejected",
    "Remove",
    "Row",
    "Schema",
    "SetSetting",
    "Value",
    "beginning_of",
    "command",
    "current_list",
    "day_at",
    "export",
    "matches",
    "plain_page",
    "plus_days",
    "plus_months",
    "put",
    "remove",
    "set_setting",
    "view",
]
