"""The rules of `{{name}}`. Start in `check`, which is called before an entry is added or changed."""

from hotlist import Group, Kind, Logic, Page, Rejected, Schema, command, current_list, export, matches, put, view

MOST_URGENT = 3
"""The most urgent entries at a time."""


class Rules(Logic):
    title = "{{title}}"
    summary = "Entries have a title, and some are urgent."
    version = "0.1.0"

    fields = {"urgent": Schema("Urgent", Kind.BOOLEAN)}

    def check(self, cx, entry, before):
        """Rejects an entry with a message for the user, or accepts it."""
        if not entry.title.strip():
            raise Rejected("title-empty", "Give the entry a title.", "title")
        becomes_urgent = is_urgent(entry) and not (before and is_urgent(before))
        if becomes_urgent and len(urgent_ones()) >= MOST_URGENT:
            raise Rejected("too-urgent", f"{MOST_URGENT} entries are urgent already. Finish one first.", "urgent")

    @command("Nothing is urgent")
    def calm_down(self, cx):
        for entry in urgent_ones():
            del entry.fields["urgent"]
            yield put(entry)

    @view("Urgent first")
    def urgent(self, cx, query):
        entries = [entry for entry in current_list.all() if matches(entry, query)]
        urgent = Group("urgent", "Urgent", [entry for entry in entries if is_urgent(entry)])
        other = Group("other", "Everything else", [entry for entry in entries if not is_urgent(entry)])
        return Page.cut([urgent, other], query)


def is_urgent(entry):
    return not entry.completed and entry.fields.get("urgent") is True


def urgent_ones():
    return [entry for entry in current_list.all() if is_urgent(entry)]


TodoListLogic = export(Rules)
