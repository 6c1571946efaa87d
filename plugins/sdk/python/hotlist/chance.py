"""Chance, which is the command's: the same command draws the same numbers, on any instance."""

from __future__ import annotations

import random

seed = random.seed

asked = False
"""Whether the host has asked something. A new instance begins as it was when the component was built."""


def begin(number: int) -> None:
    """Begins a call. The state of `random` would go on where the last command left it, and a command that
    is decided twice would come out in two ways."""
    global asked
    asked = True
    seed(number)


def seeded(*given, **named) -> None:
    """What is there as `random.seed`. In each new instance the engine calls it before the first command,
    and would draw thousands of bytes from the system. Those are the command's, too: whatever it drew behind
    them, such as `uuid4`, would be other than in a used instance."""
    if asked or given or named:
        seed(*given, **named)


random.seed = seeded
