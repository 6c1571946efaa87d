"""Permissions and quorum, from the list's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hotlist import Context, Rejected, current_list

ANONYMOUS = "anonymous"
"""The name of a caller whom no proxy has authenticated."""

LONGEST_DAYS = 3_650
"""The largest number of days until a deadline."""


@dataclass(frozen=True)
class Rules:
    """The settings of a list."""

    approvers: list[str]
    quorum: int
    """The approvals that a request needs."""
    days: int
    """The days within which a request may be approved; 0 for no limit."""

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Rules:
        """The settings, with defaults for those that are not set."""
        return cls(
            approvers=settings.get("approvers") or [],
            quorum=int(settings.get("quorum") or 1),
            days=int(settings.get("expires-after-days") or 0),
        )

    @classmethod
    def current(cls) -> Rules:
        """The settings of the current list."""
        return cls.of(current_list.settings())

    def others(self, requester: str | None) -> list[str]:
        """The approvers of a request: all but its requester."""
        return [approver for approver in self.approvers if approver != requester]

    def demand_approver(self, cx: Context) -> None:
        """Refuses a caller who is not an approver."""
        if cx.caller in self.approvers:
            return
        if not self.approvers:
            raise Rejected(
                "no-approvers", "This list has no approvers yet. Name them in its setting “approvers”."
            )
        raise Rejected(
            "not-an-approver", f"Only approvers may do this: {', '.join(self.approvers)}. Ask one of them."
        )

    def demand_quorum(self, requester: str) -> None:
        """Refuses a request that could never get enough approvals."""
        others = self.others(requester)
        if not others:
            raise Rejected(
                "no-approvers",
                "Only you could approve this. Name other approvers in the list's setting “approvers”.",
            )
        if len(others) < self.quorum:
            raise Rejected(
                "quorum-unreachable",
                f"{self.quorum} approvals are needed, but only {len(others)} could be given: by {', '.join(others)}. "
                "Name more approvers in the list's settings, or lower the quorum.",
            )


def demand_name(cx: Context) -> None:
    """Refuses an anonymous caller."""
    if cx.caller == ANONYMOUS:
        raise Rejected("anonymous", "The server does not know who you are. Sign in first.")


def checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings in normal form, `None` for those to remove; or a rejection. Those that are not given are read
    from the list."""
    settings = dict(settings)
    if "approvers" in settings:
        names = [name.strip() for name in settings["approvers"] or []]
        if "" in names or ANONYMOUS in names:
            raise Rejected(
                "approver-unnamed", f"Give every approver a name, and not “{ANONYMOUS}”.", "approvers"
            )
        if not names:
            raise Rejected("approvers-missing", "Name at least one approver.", "approvers")
        settings["approvers"] = list(dict.fromkeys(names))
    for name, least, most in (("quorum", 1, 1_000), ("expires-after-days", 0, LONGEST_DAYS)):
        if settings.get(name) is not None:
            whole(name, settings[name], least, most)

    rules = Rules.of(current_list.settings() | settings)
    if rules.approvers and rules.quorum > len(rules.approvers):
        raise Rejected(
            "quorum-unreachable",
            f"{rules.quorum} approvals are needed, but all approvers are: {', '.join(rules.approvers)}. "
            "Name more of them, or lower the quorum.",
            "quorum",
        )
    return settings


def whole(name: str, number: float, least: int, most: int) -> None:
    """Refuses a value that is not an integer within bounds."""
    if number != int(number) or not least <= number <= most:
        raise Rejected("number-unfit", f"Choose a whole number from {least} to {most:,}.", name)
