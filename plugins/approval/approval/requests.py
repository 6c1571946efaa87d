"""Requests: entries with a state, and its transitions."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace

from hotlist import Context, Entry, Rejected, current_list, plus_days

from .people import ANONYMOUS, Rules

DRAFT = "draft"
SUBMITTED = "submitted"
APPROVED = "approved"
RETURNED = "returned"
EXPIRED = "expired"
STATES = (DRAFT, SUBMITTED, APPROVED, RETURNED, EXPIRED)

MANAGED = ("state", "requester", "approvals", "decide-by", "reason")
"""The fields that follow from commands. Callers cannot set them."""


class Request:
    """The fields of an entry, parsed. An entry from other rules is a draft without a requester, or approved if
    it is completed."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        fields = entry.fields
        state = fields.get("state")
        self.state: str = state if state in STATES else APPROVED if entry.completed else DRAFT  # type: ignore
        requester = fields.get("requester")
        self.requester: str | None = requester if isinstance(requester, str) else None
        approvals = fields.get("approvals")
        self.approvals: list[str] = list(approvals) if isinstance(approvals, list) else []
        decide_by = fields.get("decide-by")
        self.decide_by: datetime.date | None = decide_by if isinstance(decide_by, datetime.date) else None

    def becomes(self, state: str, **changed: object) -> Entry:
        """The entry in another state, with changed fields; `None` removes one."""
        fields = (
            self.entry.fields
            | {"state": state}
            | {name.replace("_", "-"): value for name, value in changed.items()}
        )
        return replace(self.entry, completed=state == APPROVED, fields=fields)

    def is_late(self, today: datetime.date) -> bool:
        """Whether its deadline has passed."""
        return self.state == SUBMITTED and self.decide_by is not None and today > self.decide_by

    def is_of(self, caller: str) -> bool:
        """Whether a caller is its requester."""
        return self.requester == caller and caller != ANONYMOUS

    def waits_for(self, caller: str, rules: Rules, today: datetime.date) -> bool:
        """Whether a caller could approve it now."""
        return (
            self.state == SUBMITTED
            and caller in rules.others(self.requester)
            and caller not in self.approvals
            and not self.is_late(today)
        )

    def demand_own(self, cx: Context) -> None:
        """Refuses a caller who is not its requester. A request without a requester belongs to every caller."""
        if self.requester is not None and not self.is_of(cx.caller):
            raise Rejected("not-your-own", f"This is a request of {self.requester}'s. Ask them to do it.")

    def demand_editable(self) -> None:
        """Refuses to change a submitted or decided request."""
        if self.state == SUBMITTED:
            raise Rejected("submitted-already", "This is submitted, and stays as it is. Withdraw it first.")
        if self.state == APPROVED:
            raise Rejected("approved-already", "This is approved, and stays as it is. Make a new request.")

    def demand_decidable(self, cx: Context, rules: Rules) -> None:
        """Refuses a caller who may not decide, and a request that is not submitted."""
        rules.demand_approver(cx)
        if self.is_of(cx.caller):
            raise Rejected("own-request", "This is your own request. Another approver has to decide.")
        if self.state != SUBMITTED:
            raise Rejected("not-submitted", f"Only what is submitted is decided, and this is {self.state}.")
        if self.is_late(cx.today):
            raise Rejected(
                "too-late", f"This had to be decided by {self.decide_by}. It can be submitted again."
            )

    def submitted(self, cx: Context, rules: Rules) -> Entry:
        """The entry as submitted."""
        decide_by = plus_days(cx.today, rules.days) if rules.days else None
        return self.becomes(SUBMITTED, requester=cx.caller, approvals=None, reason=None, decide_by=decide_by)

    def settled(self, rules: Rules) -> Entry | None:
        """The entry as approved, if it has enough approvals."""
        if self.state == SUBMITTED and len(self.approvals) >= rules.quorum:
            return self.becomes(APPROVED, decide_by=None)
        return None


def all_requests() -> Iterator[Request]:
    """All entries of the list, as requests."""
    return map(Request, current_list.all())


def the_request(id: int) -> Request:
    """The request with that id. The host has checked that it exists."""
    entry = current_list.get(id)
    assert entry is not None
    return Request(entry)
