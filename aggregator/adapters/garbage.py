"""How often this process looks for objects that hold each other and nobody else."""

import gc

YOUNG = 5_000
"""New objects between two looks. Python's own 700 are a few entries: a poll would spend a tenth of its time looking at
entries that are in use, and makes next to nothing that goes in circles."""


def look_seldom() -> None:
    """From now on; what is there already is never looked at."""
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
