"""What `aggregator poll` says of the feeds that failed."""

from datetime import UTC, datetime

from aggregator.cli.commands import _poll_lines
from aggregator.model.poll import Cause, FailedFeed, RefreshReport


def failed(next_check_at: datetime | None, *, offline: bool = False) -> list[str]:
    failure = FailedFeed(feed_id="ifri", cause=Cause.GONE, message="410", next_check_at=next_check_at)
    return _poll_lines(RefreshReport(feeds=1, failed=1, failures=(failure,), offline=offline))


def test_a_failure_says_when_the_feed_is_tried_again_or_what_that_takes() -> None:
    moment = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
    assert "  ifri: gone: 410; next try 2026-11-24 08:30 UTC" in failed(moment)
    assert "  ifri: gone: 410; not tried again until its address in feeds.yaml is another" in failed(None)


def test_a_machine_without_a_network_is_told_so() -> None:
    asked, then = failed(datetime(2026, 11, 24, 8, 30, tzinfo=UTC), offline=True)
    assert asked == "None of 1 feeds could be reached: is this machine online? None is blamed for it."
    assert then.startswith("Next: `aggregator poll --all` once it is")
    assert "next try 2026-11-24 08:30 UTC" in then
    assert not any("online" in line for line in failed(None))
