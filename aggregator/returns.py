"""All that one process does about mail that comes back: boxes and the listener, tied to the flow that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aggregator.adapters.bounce_listener import listening
from aggregator.adapters.imap_box import ImapBox
from aggregator.adapters.mail_pipe import STDIN, MailPipe
from aggregator.adapters.maildir import Maildir, is_maildir
from aggregator.adapters.store.bounces import SqlBounceStore
from aggregator.adapters.store.engine import Database
from aggregator.adapters.store.holds import SqlHoldStore
from aggregator.adapters.store.subscribers import SqlSubscriberStore
from aggregator.errors import TokenError, UsageError
from aggregator.flows.bounce import BouncePlan, BouncePorts, count_refusal, read_box, take, undo
from aggregator.mail_ports import BounceBox
from aggregator.model.bounce import Bounce, BounceReport, BoxedMail
from aggregator.model.delivery import Delivery, SendResult
from aggregator.ports import Clock
from aggregator.settings.return_mail import BOUNCES_URL, parse_listen, parse_return_box
from aggregator.settings.values import Settings
from aggregator.steps.signing import Signer


class Returns:
    """Mail that comes back to one process."""

    def __init__(
        self, database: Database, *, clock: Clock, signer: Signer, keys: Callable[[str], Sequence[str]]
    ) -> None:
        """`keys`: under what an address may be suppressed, first under what from now on."""
        self._bounces = SqlBounceStore(database)
        self._ports = BouncePorts(bounces=self._bounces, subscribers=SqlSubscriberStore(database), clock=clock)
        self._plan = BouncePlan(
            whose=signer.read_bounce,
            leaving=signer.read_unsubscribe_address,
            suppression_keys=keys,
            hold=SqlHoldStore(database).hold,
        )

    def read(self, box: BounceBox) -> BounceReport:
        """Read all that waits in a box; raises BoxError, StoreError."""
        return read_box(self._ports, self._plan, box)

    @contextmanager
    def listening(self, settings: Settings) -> Iterator[int | None]:
        """Take mail in until the block ends, where the environment says so; gives the port, None for nowhere. Raises
        BoxError."""
        if settings.bounces_listen is None:
            yield None
            return
        host, port = parse_listen(settings.bounces_listen)
        with listening(host, port, keep=self.keep, is_ours=self.is_ours) as taken:
            yield taken

    def keep(self, mail: BoxedMail) -> BounceReport:
        """Read one mail, with the effect on disk when this returns; raises StoreError."""
        return take(self._ports, self._plan, mail)

    def is_ours(self, address: str) -> bool:
        """Whether we signed it, to name a letter or to unsubscribe."""
        for reads in (self._plan.whose, self._plan.leaving):
            try:
                reads(address)
            except TokenError:
                continue
            return True
        return False

    def refused(self, delivery: Delivery, result: SendResult) -> BounceReport:
        """Count a letter that was refused while it was sent; raises StoreError."""
        return count_refusal(self._ports, self._plan, delivery, result)

    def latest(self, limit: int) -> Sequence[Bounce]:
        """Bounces, the latest first."""
        return self._bounces.bounces(limit)

    def undo(self, bounce_id: int) -> tuple[Bounce, bool]:
        """Let one bounce not count, and its reader have mail again, if they had none; raises UsageError."""
        return undo(self._ports, self._plan, bounce_id)


def box_of(settings: Settings, place: str | None, recipient: str | None) -> BounceBox:
    """The box a person names, or the environment; raises UsageError, ConfigError."""
    if place is None:
        if settings.bounces_url is None:
            raise UsageError(f"nothing to read: name a file, a Maildir or -, or a mailbox in {BOUNCES_URL}")
        named = parse_return_box(settings.bounces_url)
        return Maildir(named) if isinstance(named, Path) else ImapBox(named)
    if place != STDIN and Path(place).is_dir():
        if not is_maildir(Path(place)):
            raise UsageError(f"{place} is no Maildir: it has no folders new, cur and tmp; name one that has, or a file")
        return Maildir(Path(place))
    return MailPipe(place, recipient=recipient)
