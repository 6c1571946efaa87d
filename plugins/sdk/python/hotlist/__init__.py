"""Write list logic for Hotlist in Python.

A logic says what a list means: which commands it takes and what they change. It is a class whose every
method has a default that does the obvious, so that a logic is as long as it is unusual. This is a whole
plugin:

    from hotlist import Logic, Rejected, export

    class Tidy(Logic):
        title = "Tidy"
        version = "1.0.0"

        def check(self, cx, entry, before):
            if not entry.title.strip():
                raise Rejected("title-empty", "Give the entry a title.", "title")

    TodoListLogic = export(Tidy)

Logic is pure: it knows its arguments and the `current_list`, and keeps nothing between two calls. The host
decides some commands twice. Where a logic answers differently, that command fails with an error, or is
decided by the last good version of the rules where there is one; a version that fails too often is taken
out of service by itself (quarantined).

`time.time()` is the command's time, and all chance follows from its seed: that of `random` as that of `uuid4`,
`secrets` and `os.urandom`. `print` writes lines on the server's log, where the traceback of an error that
nobody caught is, too. There is no network, no file and no thread. And so there are no modules but those that
were imported while the component was built: import at the top of the file, never inside a function.
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
