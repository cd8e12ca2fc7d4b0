"""Looking seldom for garbage that goes in circles."""

import gc

from aggregator.adapters.garbage import YOUNG, look_seldom


def test_what_is_there_is_left_alone_and_what_comes_is_looked_at_seldom() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        look_seldom()
        assert gc.get_threshold()[0] == YOUNG > before[0]
        assert gc.get_freeze_count() > frozen
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
