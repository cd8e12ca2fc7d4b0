"""Whether a letter is tried again, and when (RFC 5321 4.5.4.1).

deliver: ... mailer.answers > **retrying** > deliveries.exchange
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from aggregator.model.delivery import Delivery, DeliveryState, SendResult
from aggregator.model.sending import Settlement

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=4)
PATIENCE = timedelta(hours=72)
"""A letter has waited this long between attempts, all together, when we give it up."""
AFTER_DOUBT = timedelta(hours=1)
"""A letter in doubt that is to be sent again waits this long: the server may still be busy with the first."""
MOST_SENDINGS = 3
"""So many attempts has a letter of a newsletter that sends again what is in doubt."""
PAUSE_OF_A_DOMAIN = timedelta(minutes=1)
"""After a domain has put us off, the letters that met it go first, and the others to that domain so much later."""


def settlement(delivery: Delivery, result: SendResult, now: datetime, *, resend: bool = False) -> Settlement:
    """What is noted of a claimed row; `resend`: a letter in doubt is sent again, under its Message-ID."""
    if result.state is DeliveryState.UNCERTAIN and resend and delivery.attempts < MOST_SENDINGS:
        words = f"sent again in {AFTER_DOUBT}: {result.reply}"
        again = replace(result, state=DeliveryState.DEFERRED, reply=words)
        return Settlement(delivery=delivery, result=again, retry_at=now + AFTER_DOUBT)
    if result.state is DeliveryState.QUEUED:
        return Settlement(delivery=delivery, result=result, retry_at=now)
    if result.state is DeliveryState.DEFERRED:
        return _deferred(delivery, result, now)
    return Settlement(delivery=delivery, result=result)


def _deferred(delivery: Delivery, result: SendResult, now: datetime) -> Settlement:
    """Put off, or given up. Waits are counted, not days: a machine that was off has not tried. A fault of the whole
    server is no attempt of this letter's, and gives none up."""
    if result.server_down:
        return Settlement(delivery=delivery, result=result, retry_at=now + FIRST_WAIT * (1 + _share(delivery) / 5))
    waits = [min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) for attempt in range(min(delivery.attempts, 64))]
    if sum(waits, timedelta()) <= PATIENCE:
        retry_at = now + waits[-1] * (1 + _share(delivery) / 5)
        return Settlement(delivery=delivery, result=result, retry_at=retry_at)
    words = f"given up after {delivery.attempts} attempts: {result.reply}"
    given_up = SendResult(state=DeliveryState.REFUSED, reply=words, code=result.code)
    return Settlement(delivery=delivery, result=given_up)


def pause_of(settled: Settlement) -> datetime | None:
    """Till when the other letters to its domain wait, if it was put off for what we are or how much we send (x.7.x),
    and not for its reader."""
    put_off = settled.result.state is DeliveryState.DEFERRED and settled.result.policy
    return settled.retry_at + PAUSE_OF_A_DOMAIN if put_off and settled.retry_at is not None else None


def _share(delivery: Delivery) -> float:
    """A number from 0 to 1 that is this attempt's own, so that letters deferred together do not return together."""
    name = f"{delivery.message_id}{delivery.attempts}".encode()
    return int.from_bytes(blake2b(name, digest_size=4).digest()) / 0xFFFFFFFF
