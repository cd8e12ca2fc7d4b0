"""What all tests share: slow ones wait until everything is asked for, and then begin, so that nobody waits for them."""

import os

import pytest

EVERYTHING = os.environ.get("AGGREGATOR_TEST_ALL") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if EVERYTHING:
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes long; AGGREGATOR_TEST_ALL=1 runs it"))
