"""A sender in a process of its own: `python -m tests.acceptance.sending_process DATABASE URL [CONNECTIONS] [POLICY]`.

AGGREGATOR_FAULT says where it is to break.
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aggregator.adapters.mailer import SmtpMailer
from aggregator.adapters.store.deliveries import SqlDeliveryStore
from aggregator.adapters.store.engine import open_database
from aggregator.adapters.store.newsletters import SqlNewsletterStore
from aggregator.adapters.worker_lock import FilePlaces
from aggregator.flows.delivering.deliver import deliver
from aggregator.flows.delivering.keeping_pace import PaceKeeper
from aggregator.flows.delivering.lettering import DeliverPlan
from aggregator.flows.delivering.noting import DeliverPorts
from tests.mail_fakes import SITE, WEEKLY


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def main(database_file: str, url: str, connections: str = "1", policy: str = "leave") -> None:
    """What a worker does: settle what those that are gone left in doubt, then send what is due."""
    database, places = open_database(f"sqlite:///{database_file}"), FilePlaces(Path(database_file))
    store, clock = SqlDeliveryStore(database), SystemClock()
    store.recover(clock.now(), is_gone=places.is_gone, resend=["weekly"] if policy == "resend" else [])
    mailer = SmtpMailer(url, connections=int(connections), local_hostname="client.example")
    ports = DeliverPorts(deliveries=store, newsletters=SqlNewsletterStore(database), mailer=mailer, clock=clock)
    plan = DeliverPlan(
        newsletters={"weekly": replace(WEEKLY, uncertain=policy)},
        site=SITE,
        unsubscribe_url=lambda subscriber_id, newsletter_id: f"https://wire.example.org/unsubscribe/{subscriber_id}",
        preferences_url=lambda subscriber_id: f"https://wire.example.org/preferences/{subscriber_id}",
    )
    report = deliver(ports, plan, pacing=PaceKeeper(plan.limits, places.mine()))
    places.leave()
    database.close()
    print(report)


if __name__ == "__main__":
    main(*sys.argv[1:])
