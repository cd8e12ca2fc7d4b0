"""Mails of one purpose: due notices in, mails out, each answer noted before the next.

    notices.claim > notice > mail > mailer.send > notices.settle

As with letters, a row is `sending` on disk before the server hears of it. What a kill leaves in doubt is not sent again
by itself: who asked for it asks once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog

from aggregator.mail_ports import Mailer
from aggregator.model.channel import Site
from aggregator.model.delivery import DeliveryState, SendResult
from aggregator.model.newsletter import Newsletter, Rendering
from aggregator.model.signup import Notice
from aggregator.people_ports import NoticeStore
from aggregator.ports import Clock
from aggregator.press.notice_words import NoticeKind
from aggregator.steps.notice_mail import write_notice
from aggregator.steps.notices import NoticeLinks, NoticeRenderer
from aggregator.steps.throttle import TERM

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=4)
PATIENCE = timedelta(hours=72)
"""A notice that was put off for so long is given up: a link in it is good for a week."""
ALERT = "alert"
BY_LINK = ("confirm", "disabled")
"""Notices whose button makes a subscription good."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyPorts:
    """What sending notices needs of the world."""

    notices: NoticeStore
    mailer: Mailer
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyPlan:
    """What feeds.yaml says of mails, and how addresses of ours for one reader are made.

    `confirm_url` takes (subscriber id, newsletter id, nonce, time); `sign` gives the header that vouches for a message
    from this domain (DKIM), empty where the mail server has to.
    """

    newsletters: Mapping[str, Newsletter]
    site: Site
    renderer: NoticeRenderer
    confirm_url: Callable[[int, str, str, datetime], str]
    preferences_url: Callable[[int], str]
    unsubscribe_url: Callable[[int, str], str]
    sign: Callable[[str, bytes, datetime], bytes]


def notify(ports: NotifyPorts, plan: NotifyPlan, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Send what is due until nothing is, the server is down, or `should_stop` says so; how many were accepted."""
    if not ports.notices.waiting(ports.clock.now()):
        return 0
    accepted = 0
    try:
        while not should_stop() and not ports.mailer.connect():
            notice = ports.notices.claim(ports.clock.now())
            if notice is None:
                break
            result = _send(ports, plan, notice)
            accepted += result.state is DeliveryState.ACCEPTED
            if result.server_down:
                break
    finally:
        ports.mailer.close()
    return accepted


def _send(ports: NotifyPorts, plan: NotifyPlan, notice: Notice) -> SendResult:
    """What became of a claimed row, settled."""
    now = ports.clock.now()
    letter = _sender(plan, notice)
    if letter is None:
        return _settle(ports, notice, _cancelled("not sent: feeds.yaml names no newsletter that it could come from"))
    if notice.kind in BY_LINK and now - notice.created_at >= TERM:
        return _settle(ports, notice, _cancelled("not sent: its link would be too old"))
    try:
        message = write_notice(
            _rendering(plan, letter, notice),
            sender=letter.sender,
            recipient=notice.email,
            message_id=notice.message_id,
            language=notice.language or letter.language,
            date=notice.created_at,
            reply_to=letter.reply_to,
        )
        signed = plan.sign(letter.domain, message, now) + message
    except ValueError as error:
        return _settle(ports, notice, SendResult(state=DeliveryState.REFUSED, reply=f"not sent: {error}"))
    except Exception as error:
        words = f"not sent for a fault of ours ({type(error).__name__}); the log says where"
        _settle(ports, notice, SendResult(state=DeliveryState.DEFERRED, reply=words))
        raise
    try:
        result = ports.mailer.send(signed, sender=letter.address, recipient=notice.email)
    except ValueError as error:
        result = SendResult(state=DeliveryState.REFUSED, reply=f"not sent: {error}")
    return _settle(ports, notice, result)


def _sender(plan: NotifyPlan, notice: Notice) -> Newsletter | None:
    """The newsletter a notice comes from: the first it is about, or any where it is about none."""
    ids = notice.newsletter_ids if notice.kind != ALERT else tuple(plan.newsletters)
    return next((plan.newsletters[id_] for id_ in ids if id_ in plan.newsletters), None)


def _rendering(plan: NotifyPlan, letter: Newsletter, notice: Notice) -> Rendering:
    if notice.kind == ALERT:
        return plan.renderer.render_alert(site=plan.site, subject=notice.subject, lines=notice.lines)
    known = [plan.newsletters[id_] for id_ in notice.newsletter_ids if id_ in plan.newsletters]
    return plan.renderer.render_notice(
        cast(NoticeKind, notice.kind),
        site=plan.site,
        language=notice.language or letter.language,
        newsletter=", ".join(item.title for item in known),
        links=_links(plan, letter, notice),
        until=(notice.created_at + TERM - timedelta(days=1)).date() if notice.kind in BY_LINK else None,
    )


def _links(plan: NotifyPlan, letter: Newsletter, notice: Notice) -> NoticeLinks:
    """A mail to who has not confirmed leads nowhere but to the button: they have no preferences yet."""
    if notice.subscriber_id is None:
        return NoticeLinks()
    action = ""
    if notice.kind in BY_LINK:
        action = plan.confirm_url(notice.subscriber_id, letter.id, notice.nonce, notice.created_at)
    if notice.kind == "confirm":
        return NoticeLinks(action=action)
    return NoticeLinks(
        action=action,
        preferences=plan.preferences_url(notice.subscriber_id),
        unsubscribe=plan.unsubscribe_url(notice.subscriber_id, letter.id) if notice.kind == "welcome" else "",
        archive=f"{plan.site.base_url}/newsletters/{letter.id}",
    )


def _cancelled(words: str) -> SendResult:
    return SendResult(state=DeliveryState.CANCELLED, reply=words)


def _settle(ports: NotifyPorts, notice: Notice, result: SendResult) -> SendResult:
    """Note what became of it, with the time of its next attempt if it has one."""
    now, retry_at = ports.clock.now(), None
    if result.state is DeliveryState.DEFERRED:
        waits = [min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) for attempt in range(min(notice.attempts, 64))]
        if result.server_down or sum(waits, timedelta()) <= PATIENCE:
            retry_at = now + (FIRST_WAIT if result.server_down else waits[-1])
        else:
            result = SendResult(state=DeliveryState.REFUSED, reply=f"given up: {result.reply}", code=result.code)
    standing = ports.notices.settle(notice, result, now, retry_at)
    event = "notify.settled" if standing else "notify.claim_lost"
    log.info(event, notice_id=notice.id, kind=notice.kind, state=result.state.value, code=result.code)
    return result
