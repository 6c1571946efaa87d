"""Rules for requests that others have to approve.

A requester adds a request and submits it. Approvers approve or return it, and with enough approvals it is
completed. A request that is not decided in time expires."""

from __future__ import annotations

from collections.abc import Iterator

from hotlist import (
    Change,
    Context,
    Entry,
    Group,
    Kind,
    Logic,
    Page,
    Query,
    Rejected,
    Row,
    Schema,
    beginning_of,
    command,
    current_list,
    export,
    matches,
    plus_days,
    put,
    remove,
    set_setting,
    view,
)

from .people import ANONYMOUS, Rules, checked, demand_name
from .requests import (
    APPROVED,
    DRAFT,
    EXPIRED,
    MANAGED,
    RETURNED,
    STATES,
    SUBMITTED,
    Request,
    all_requests,
    the_request,
)

MINE = {
    RETURNED: "Returned to you",
    EXPIRED: "Expired",
    DRAFT: "Drafts",
    SUBMITTED: "Submitted",
    APPROVED: "Approved",
}
"""The groups of the view of the caller's own requests. Those that need an action come first."""


class Approval(Logic):
    """The logic of a list of requests."""

    title = "Approval"
    summary = "Requests that others have to approve. Without a decision in time they expire."
    version = "1.0.0"
    fields = {
        "state": Schema("State", Kind.TEXT, choices=STATES),
        "requester": Schema("Requester", Kind.TEXT),
        "approvals": Schema("Approved by", Kind.TEXTS),
        "decide-by": Schema("Decide by", Kind.DATE),
        "reason": Schema("Why it was returned", Kind.TEXT),
    }
    settings = {
        "approvers": Schema("Approvers", Kind.TEXTS),
        "quorum": Schema("Approvals needed", Kind.NUMBER),
        "expires-after-days": Schema("Days to decide in; 0 for ever", Kind.NUMBER),
    }

    def add(self, cx: Context, draft: Entry) -> Change:
        """Any caller may add a request. It is the caller's draft, if the server knows the caller's name."""
        check_title(draft)
        check_managed(draft, Entry(""))
        return put(Request(draft).becomes(DRAFT, requester=known(cx)))

    def update(self, cx: Context, entry: Entry, before: Entry) -> Change:
        """The requester may change a request until it is submitted. Any caller may change its order."""
        check_managed(entry, before)
        if (entry.title, entry.date) != (before.title, before.date):
            request = Request(before)
            request.demand_own(cx)
            request.demand_editable()
            check_title(entry)
        return put(entry)

    def delete(self, cx: Context, entry: Entry) -> Change:
        """The requester and approvers may delete a request. Only approvers may delete an approved one, because
        it is a record."""
        request = Request(entry)
        if cx.caller not in Rules.current().approvers:
            request.demand_own(cx)
            if request.state == APPROVED and request.requester is not None:
                raise Rejected("approved-already", "This is approved. Only an approver may delete it.")
        return remove(entry)

    def configure(self, cx: Context, settings: dict) -> Iterator[Change]:
        """Any caller may set the first settings. After that only approvers may change them. A request that has
        enough approvals for a lower quorum is approved."""
        if Rules.current().approvers:
            Rules.current().demand_approver(cx)
        settings = checked(settings)
        for name, value in settings.items():
            yield set_setting(name, value)
        if "quorum" in settings:
            rules = Rules.of(current_list.settings() | settings)
            settled = (request.settled(rules) for request in all_requests())
            yield from (put(entry) for entry in settled if entry)

    @command("Submit", entry=Schema("Request", Kind.ENTRY))
    def submit(self, cx: Context, entry: int) -> Change:
        """Submits a draft for decision, or resubmits a returned or expired request."""
        request = the_request(entry)
        demand_name(cx)
        request.demand_own(cx)
        request.demand_editable()
        rules = Rules.current()
        rules.demand_quorum(cx.caller)
        return put(request.submitted(cx, rules))

    @command("Withdraw", entry=Schema("Request", Kind.ENTRY))
    def withdraw(self, cx: Context, entry: int) -> Change:
        """Turns a submitted request back into a draft, so that it can be changed."""
        request = the_request(entry)
        request.demand_own(cx)
        if request.state != SUBMITTED:
            raise Rejected(
                "not-submitted", f"Only what is submitted is withdrawn, and this is {request.state}."
            )
        return put(request.becomes(DRAFT, approvals=None, decide_by=None))

    @command("Approve", entry=Schema("Request", Kind.ENTRY))
    def approve(self, cx: Context, entry: int) -> Change:
        """Approves a request. The last approval that it needs completes it."""
        request = the_request(entry)
        rules = Rules.current()
        request.demand_decidable(cx, rules)
        if cx.caller in request.approvals:
            missing = rules.quorum - len(request.approvals)
            raise Rejected(
                "approved-by-you", f"You have approved this already. Approvals still missing: {missing}."
            )
        agreed = Request(request.becomes(SUBMITTED, approvals=[*request.approvals, cx.caller]))
        return put(agreed.settled(rules) or agreed.entry)

    @command("Return", entry=Schema("Request", Kind.ENTRY), reason=Schema("Reason", Kind.TEXT))
    def return_(self, cx: Context, entry: int, reason: str) -> Change:
        """Returns a request to the requester, who may change it and submit it again."""
        request = the_request(entry)
        request.demand_decidable(cx, Rules.current())
        if not reason.strip():
            raise Rejected("reason-empty", "Say why, so that the request can be made better.", "reason")
        return put(request.becomes(RETURNED, approvals=None, decide_by=None, reason=reason.strip()))

    @view("Inbox")
    def inbox(self, cx: Context, query: Query) -> Page:
        """Requests that wait for the caller's approval, earliest deadline first."""
        rules = Rules.current()
        waiting = [
            request
            for request in all_requests()
            if request.waits_for(cx.caller, rules, cx.today) and matches(request.entry, query)
        ]
        waiting.sort(key=lambda request: (request.decide_by is None, request.decide_by, request.entry.id))
        rows = [row(request, rules) for request in waiting]
        return Page.cut([Group("inbox", "Waits for you", rows)], query)

    @view("My requests")
    def mine(self, cx: Context, query: Query) -> Page:
        """The caller's own requests, grouped by state."""
        rules = Rules.current()
        groups = {state: Group(state, title, []) for state, title in MINE.items()}
        for request in all_requests():
            if request.is_of(cx.caller) and matches(request.entry, query):
                groups[request.state].rows.append(row(request, rules))  # type: ignore[attr-defined]
        page = Page.cut(list(groups.values()), query)
        page.groups = [group for group in page.groups if group.rows]
        return page

    def next_wake_up(self, cx: Context) -> int | None:
        """The end of the earliest deadline."""
        days = [
            request.decide_by
            for request in all_requests()
            if request.state == SUBMITTED and request.decide_by
        ]
        return beginning_of(plus_days(min(days), 1), cx.utc_offset) if days else None

    def wake(self, cx: Context) -> Iterator[Change]:
        """Expires requests that were not decided in time."""
        for request in all_requests():
            if request.is_late(cx.today):
                yield put(request.becomes(EXPIRED, approvals=None))


def known(cx: Context) -> str | None:
    """The caller's name, if the server knows it."""
    return None if cx.caller == ANONYMOUS else cx.caller


def row(request: Request, rules: Rules) -> Row:
    """A row for a request, with its progress."""
    assert request.entry.id is not None
    far = f"{len(request.approvals)} of {rules.quorum}" if request.state == SUBMITTED else None
    return Row(request.entry.id, {"approved": far})


def check_title(entry: Entry) -> None:
    """Refuses a request without a title."""
    if not entry.title.strip():
        raise Rejected("title-empty", "Say what you want approved.", "title")


def check_managed(entry: Entry, before: Entry) -> None:
    """Refuses to set fields that follow from commands."""
    for name in MANAGED:
        if entry.fields.get(name) != before.fields.get(name):
            raise Rejected(
                "field-managed",
                f"“{name}” follows from what is done. Use the commands submit, withdraw, approve and return.",
                name,
            )
    if entry.completed != before.completed:
        raise Rejected("completed-managed", "A request is completed by approvals only.", "completed")


TodoListLogic = export(Approval)
