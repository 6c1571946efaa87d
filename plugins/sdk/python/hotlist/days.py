"""Calendar arithmetic beyond `datetime`, with the server's time zone."""

from __future__ import annotations

import datetime

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
EPOCH = datetime.date(1970, 1, 1).toordinal()


def plus_days(day: datetime.date, days: int) -> datetime.date:
    """The date `days` later, or earlier if `days` is negative."""
    return day + datetime.timedelta(days=days)


def plus_months(day: datetime.date, months: int) -> datetime.date:
    """The same day `months` later, or that month's last day if it is shorter."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first = datetime.date(years, month + 1, 1)
    last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def beginning_of(day: datetime.date, utc_offset: int) -> int:
    """The start of a day in milliseconds since the epoch, in a zone `utc_offset` minutes ahead of UTC. A start
    before the epoch is 0."""
    return max(0, (day.toordinal() - EPOCH) * DAY - utc_offset * MINUTE)


def day_at(now: int, utc_offset: int) -> datetime.date:
    """The date at `now`, in milliseconds since the epoch, in a zone `utc_offset` minutes ahead of UTC."""
    return datetime.date.fromordinal(EPOCH + (now + utc_offset * MINUTE) // DAY)
