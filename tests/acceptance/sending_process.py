"""A sender in a process of its own, which kills itself where told: `python -m tests.acceptance.sending_process`.

Arguments: database file, address of the server, and the step to die at (`claim`, `settle`; before or after), or `-`.
"""

import os
import signal
import sys
from datetime import UTC, datetime

from aggregator.adapters.mailer import SmtpMailer
from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.flows.deliver import DeliverPlan, DeliverPorts, deliver
from tests.mail_fakes import SITE, WEEKLY


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class MortalStore(SqlDeliveryStore):
    """Ends the process before or after its third claim or settlement."""

    step = "-"
    calls = 0

    def claim(self, *arguments):
        return self._mortal("claim", super().claim, *arguments)

    def settle(self, *arguments):
        return self._mortal("settle", super().settle, *arguments)

    def _mortal(self, name, call, *arguments):
        when, _, what = self.step.partition(" ")
        if what != name:
            return call(*arguments)
        self.calls += 1
        if self.calls == 3 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*arguments)
        if self.calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def main(database_file: str, url: str, step: str) -> None:
    """What a worker does after a start: settle what is in doubt, then send what is due."""
    database = open_database(f"sqlite:///{database_file}")
    store = MortalStore(database)
    store.step = step
    store.recover(SystemClock().now())
    mailer = SmtpMailer(url, local_hostname="client.example")
    ports = DeliverPorts(deliveries=store, newsletters=SqlNewsletterStore(database), mailer=mailer, clock=SystemClock())
    plan = DeliverPlan(
        newsletters={"weekly": WEEKLY},
        site=SITE,
        unsubscribe_url=lambda subscriber_id, newsletter_id: f"https://wire.example.org/unsubscribe/{subscriber_id}",
    )
    report = deliver(ports, plan)
    database.close()
    print(report)


if __name__ == "__main__":
    main(*sys.argv[1:])
