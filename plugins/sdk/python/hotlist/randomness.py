"""Randomness seeded by the command: the same command draws the same numbers on any instance."""

from __future__ import annotations

import random

seed = random.seed

called = False
"""Whether the host has called this instance. A new instance starts in the state of the build."""


def begin(number: int) -> None:
    """Seeds `random` for a call. Otherwise its state would continue from the last command, and a command that is
    decided twice would get two answers."""
    global called
    called = True
    seed(number)


def seeded(*given, **named) -> None:
    """Replacement for `random.seed`. In each new instance the engine calls it before the first command, and
    would draw thousands of bytes from the system's randomness. That randomness is the command's, too, so all
    later draws, such as `uuid4`, would differ from those in a used instance."""
    if called or given or named:
        seed(*given, **named)


random.seed = seeded
