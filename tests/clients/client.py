"""A program on the client that openapi-python-client generates."""

import io
import sys

from hotlist_client import Client
from hotlist_client.api.entries import add_entry, update_entry
from hotlist_client.api.history import get_history
from hotlist_client.api.lists import put_list
from hotlist_client.api.logic import get_logic, put_logic
from hotlist_client.api.logics_own import get_view, run_command
from hotlist_client.models import (
    BindLogicChange,
    CommandOutcome,
    Entry,
    EntryPatch,
    FieldChanges,
    FieldKind,
    Fields,
    ListSet,
    ListSetup,
    LogicDescription,
    LogicState,
    NewEntry,
    Problem,
    ProblemType,
    PutChange,
    Uploaded,
    View,
)
from hotlist_client.types import File

LIST = "python & co/1"


def expect(kind, found):
    """Returns what was found if it is of a type."""
    assert isinstance(found, kind), found
    return found


def fields(of=Fields, **values):
    """Named values."""
    named = of()
    named.additional_properties = values
    return named


def main(url, component):
    client = Client(base_url=url)

    # Uploads a component.
    with open(component, "rb") as file:
        upload = File(payload=io.BytesIO(file.read()))
    uploaded = expect(Uploaded, put_logic.sync("board-py", client=client, body=upload))
    assert uploaded.digest.startswith("sha256:")
    logic = expect(LogicDescription, get_logic.sync("board-py", client=client))
    assert logic.state is LogicState.LIVE
    assert any(field.name == "column" and field.kind is FieldKind.TEXT for field in logic.description.fields)

    # Sends and reads custom fields.
    setup = ListSetup(logic="board-py", settings=fields(FieldChanges, columns=["Todo", "Doing", "Done"]))
    assert expect(ListSet, put_list.sync(LIST, client=client, body=setup)).logic == "board-py"
    new = NewEntry(title="Paint", fields=fields(column="Doing"))
    entry = expect(Entry, add_entry.sync(LIST, client=client, body=new, idempotency_key="py-1"))
    assert entry.fields["column"] == "Doing"
    patch = EntryPatch(fields=fields(FieldChanges, column="Todo"), date=None)
    entry = expect(Entry, update_entry.sync(LIST, entry.id, client=client, body=patch))
    assert entry.fields["column"] == "Todo"

    # Runs a command.
    moved = run_command.sync(LIST, "move", client=client, body=fields(entry=entry.id, column="Done"))
    assert expect(CommandOutcome, moved).entries[0].completed
    board = expect(View, get_view.sync(LIST, "board", client=client))
    assert any(group.computed.additional_properties for group in board.groups)

    # Reads the history.
    history = expect(list, get_history.sync(LIST, client=client, limit=10))
    changes = [change for revision in history for change in revision.changes]
    assert any(isinstance(change, BindLogicChange) and change.logic == "board-py" for change in changes), changes
    assert any(isinstance(change, PutChange) and change.entry.title == "Paint" for change in changes), changes
    assert history[1].command == "add-entry"

    # Problems are typed, too.
    new = NewEntry(title="", fields=fields(nope=1))
    problem = expect(Problem, add_entry.sync(LIST, client=client, body=new))
    assert problem.type_ is ProblemType.URNHOTLISTPROBLEMINVALID
    print(f"the client in Python made {len(changes)} changes")


main(*sys.argv[1:])
