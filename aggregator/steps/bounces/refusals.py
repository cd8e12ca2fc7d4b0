"""A letter refused in the conversation itself, which says the same as a report about it would."""

from __future__ import annotations

from aggregator.model.bounce import BouncedRecipient, BounceKind
from aggregator.model.delivery import Delivery, DeliveryState, SendResult
from aggregator.steps.bounces.opening import clean
from aggregator.steps.bounces.wordings import code_in, is_policy, names_address


def refused(delivery: Delivery, result: SendResult) -> BouncedRecipient | None:
    """What a server's no says of an address: 5yz is hard, a letter given up after many 4yz soft (RFC 5321 4.2.1).

    None for any other result, and for a letter that no server was asked to take.
    """
    if result.state is not DeliveryState.REFUSED or result.code is None or result.server_down:
        return None
    words = clean(result.reply, 500)
    kind = BounceKind.HARD if result.code >= 500 else BounceKind.SOFT
    status = code_in(words) or f"{result.code // 100}.0.0"
    return BouncedRecipient(
        address=delivery.subscriber.email,
        kind=kind,
        status=status,
        diagnostic=words,
        policy=result.policy or is_policy(status, words),
        names_address=kind is BounceKind.HARD and not result.policy and names_address(status, words),
    )
