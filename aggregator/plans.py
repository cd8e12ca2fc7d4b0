"""One version of feeds.yaml as the flows need it: Settings in, a plan for each flow out.

wiring: Settings > **Plans** > refresh, retag, publish, compose, deliver, notify
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from typing import Any

from aggregator.flows.compose import ComposePlan
from aggregator.flows.delivering.lettering import DeliverPlan
from aggregator.flows.notify import NotifyPlan
from aggregator.flows.publish import PublishPlan
from aggregator.flows.refresh import RefreshPlan
from aggregator.flows.retag import RetagPlan
from aggregator.model.channel import Channel
from aggregator.model.pace import Limits, Rate
from aggregator.settings.loading import template_files
from aggregator.settings.values import Settings
from aggregator.steps.dkim import DkimSigner
from aggregator.steps.notices import NoticeRenderer
from aggregator.steps.rendering import Renderer
from aggregator.steps.signing import Signer
from aggregator.steps.tagging.renewing import version_of
from aggregator.steps.tagging.tagger import Tagger, compile_tagger

EVERYTHING = ""
"""The id of the channel that holds every Story, at `/feed.atom`."""


class Plans:
    """What each flow is told of feeds.yaml, worked out once; raises TemplateError."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        site, feeds = settings.site, {feed.id: feed for feed in settings.feeds}
        newsletters = {letter.id: letter for letter in settings.newsletters}
        channels = (Channel(id=EVERYTHING, title=site.title, size=100), *settings.channels)

        def unsubscribe_url(subscriber_id: int, newsletter_id: str) -> str:
            return f"{site.base_url}/unsubscribe/{signer.unsubscribe_token(subscriber_id, newsletter_id)}"

        def preferences_url(subscriber_id: int) -> str:
            return f"{site.base_url}/preferences/{signer.preferences_token(subscriber_id)}"

        def letter_url(edition_id: int, number: int) -> str:
            return f"{site.base_url}/letters/{signer.letter_token(edition_id, number)}"

        def confirm_url(subscriber_id: int, newsletter_id: str, nonce: str, issued_at: datetime) -> str:
            return f"{site.base_url}/confirm/{signer.confirm_token(subscriber_id, newsletter_id, nonce, issued_at)}"

        self._settings = settings
        self.publish = PublishPlan(site=site, channels=channels, feeds=feeds)
        self.compose = ComposePlan(
            newsletters=newsletters, site=site, feeds=feeds, renderer=read_templates(settings), letter_url=letter_url
        )
        self.deliver = DeliverPlan(
            newsletters=newsletters,
            site=site,
            unsubscribe_url=unsubscribe_url,
            preferences_url=preferences_url,
            signers={domain: found for domain in _domains(settings) if (found := signer_of(settings, domain))},
            limits=limits_of(settings),
            **_returning(settings.mail.bounce_domain, signer),
        )
        self._confirm_url = confirm_url

    @cached_property
    def notify(self) -> NotifyPlan:
        """Made when first asked for, as the templates of notices are read and tried."""
        deliver = self.deliver

        def sign(domain: str, message: bytes, now: datetime) -> bytes:
            dkim = deliver.signers.get(domain)
            return dkim.sign(message, now) if dkim else b""

        return NotifyPlan(
            newsletters=deliver.newsletters,
            site=deliver.site,
            renderer=read_notices(self._settings),
            confirm_url=self._confirm_url,
            preferences_url=deliver.preferences_url,
            unsubscribe_url=deliver.unsubscribe_url,
            sign=sign,
        )

    @cached_property
    def tagger(self) -> Tagger:
        """Made when first asked for: the words of the taxonomy take a fifth of a second to put in order."""
        return tagger_of(self._settings)

    @cached_property
    def tagging(self) -> str:
        """The version of the tags that all this gives."""
        given, program = self._settings, version("aggregator")
        taxonomy, language = given.taxonomy.version, given.site.language
        return version_of(given.feeds, given.rules, taxonomy=taxonomy, language=language, program=program)

    @property
    def refresh(self) -> RefreshPlan:
        return RefreshPlan(feeds=self.publish.feeds, every=self._settings.polling.every, tagger=self.tagger)

    @property
    def retag(self) -> RetagPlan:
        return RetagPlan(feeds=self.publish.feeds, tagger=self.tagger, version=self.tagging)


def tagger_of(settings: Settings) -> Tagger:
    """The tagger of its taxonomy and rules."""
    return compile_tagger(settings.taxonomy, settings.rules, language=settings.site.language)


def limits_of(settings: Settings) -> Limits:
    """The pace of sending, with that of each newsletter."""
    mail, hour = settings.mail, timedelta(hours=1)
    return Limits(
        whole=mail.rate,
        warm_up=mail.warm_up,
        newsletters={
            letter.id: Rate(letters=letter.rate, span=hour)
            for letter in settings.newsletters
            if letter.rate is not None
        },
        domains=mail.domains,
        other_domains=mail.other_domains,
    )


def _domains(settings: Settings) -> set[str]:
    """Those that letters come from."""
    return {letter.domain for letter in settings.newsletters}


def _returning(domain: str | None, signer: Signer) -> dict[str, Any]:
    """Where the mail of each letter comes back to, and where one is left by mail: where such mail is read."""
    if domain is None:
        return {}

    def return_path(delivery_id: int) -> str:
        return signer.bounce_address(delivery_id, domain)

    def unsubscribe_mail(subscriber_id: int, newsletter_id: str) -> str | None:
        return signer.unsubscribe_address(subscriber_id, newsletter_id, domain)

    return {"return_path": return_path, "unsubscribe_mail": unsubscribe_mail}


def signer_of(settings: Settings, domain: str) -> DkimSigner | None:
    """What signs the letters that come from this domain; None when the mail server has to."""
    return DkimSigner(domain=domain.lower(), keys=settings.mail_keys) if settings.mail_keys else None


def read_templates(settings: Settings) -> Renderer:
    """The templates of Issues, read and tried; raises TemplateError."""
    return Renderer(_mail_sources(settings))


def read_notices(settings: Settings) -> NoticeRenderer:
    """The templates of notices, read and tried; raises TemplateError."""
    return NoticeRenderer(_mail_sources(settings))


def _mail_sources(settings: Settings) -> dict[str, str]:
    files = template_files("mail", settings.templates)
    return {name: file.read_text(encoding="utf-8") for name, file in files.items()}
