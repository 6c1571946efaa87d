"""Days and moments, which `datetime` knows all about but for the server's time zone."""

from __future__ import annotations

import datetime

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
EPOCH = datetime.date(1970, 1, 1).toordinal()


def plus_days(day: datetime.date, days: int) -> datetime.date:
    """The day so many days later, or earlier if there are fewer than none."""
    return day + datetime.timedelta(days=days)


def plus_months(day: datetime.date, months: int) -> datetime.date:
    """The same day so many months later; the month's last where it has no such day."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first = datetime.date(years, month + 1, 1)
    last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def beginning_of(day: datetime.date, utc_offset: int) -> int:
    """When a day begins, in milliseconds since the epoch, where clocks are `utc_offset` minutes ahead of
    UTC. Before the epoch it is 0."""
    return max(0, (day.toordinal() - EPOCH) * DAY - utc_offset * MINUTE)


def day_at(now: int, utc_offset: int) -> datetime.date:
    """The day that it is at a moment, in milliseconds since the epoch, where clocks are `utc_offset`
    minutes ahead of UTC."""
    return datetime.date.fromordinal(EPOCH + (now + utc_offset * MINUTE) // DAY)
