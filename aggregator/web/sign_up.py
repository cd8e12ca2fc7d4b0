"""Subscribing: a form, and the page that a link in a mail leads to, whose button makes a subscription good.

What a form gets for an answer is the same for every address. Looking at a link changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from aggregator.errors import TokenError
from aggregator.model.edition import Choices
from aggregator.model.newsletter import Newsletter
from aggregator.model.signup import AskedFor, ConfirmOutcome, SignUpVerdict
from aggregator.press.consent_words import WORDS
from aggregator.settings.values import Settings
from aggregator.steps.choosing import FREQUENCIES, LANGUAGES, Chosen, Rhythm, read_choices, schedule_words, zones
from aggregator.steps.signing import Confirmation
from aggregator.subject import slug
from aggregator.web.context import WebContext
from aggregator.web.subscriptions import PRIVATE
from aggregator.web.view import View, root_of
from aggregator.web.visitor import Misses, client, evidence, refuse_foreign

NO_STORE = {"Cache-Control": "no-store"}
HOUR_SECONDS = 3600
LONGEST_ADDRESS = 320
"""Characters: 64 before the @, 255 after it (RFC 5321 4.5.3.1)."""
_LIKE_AN_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
"""What is told to its reader when it fails; whether it is an address, and whose, is told to nobody."""
TRAP = "website"
"""A field that people do not see; a program that fills it in is answered like everybody, and nothing else is done."""
FIELDS = ("email", "frequency", "language", "timezone", "country", "topic")


class SignUpPages:
    """The endpoints of `/subscribe` and `/confirm/TOKEN`."""

    def __init__(self, context: WebContext, view: View, misses: Misses) -> None:
        self._context, self._view, self._misses = context, view, misses

    # --- the form ---------------------------------------------------------------------------------

    def form(self, request: Request) -> Response:
        """The form; no box is ticked, whatever the address says."""
        return self._form({}, (), {})

    async def ask(self, request: Request) -> Response:
        """Takes the form in; the answer tells nothing of the address."""
        settings = self._context.settings()
        refuse_foreign(request, settings)
        async with request.form(max_files=1, max_fields=100) as form:
            return await run_in_threadpool(self._ask, request, settings, form)

    def _ask(self, request: Request, settings: Settings, form: FormData) -> Response:
        given = {name: _text(form, name) for name in FIELDS}
        ticked = [letter for letter in settings.newsletters if letter.id in form.getlist("newsletter")]
        asked, faults = _read(given, ticked, settings.newsletters)
        if faults:
            return self._form(given, [letter.id for letter in ticked], faults)
        if _text(form, TRAP):
            return self._taken()
        act = evidence(request, settings, "/subscribe", WORDS.ask)
        language = given["language"] or ticked[0].language
        verdict = self._context.readers.sign_up(given["email"], asked, language, act)
        if verdict in (SignUpVerdict.LATER, SignUpVerdict.CEILING):
            raise HTTPException(429, headers={"Retry-After": str(HOUR_SECONDS)})
        return self._taken()

    def _taken(self) -> Response:
        return HTMLResponse(self._view.render("asked.html"), headers=NO_STORE)

    def _form(self, given: Mapping[str, str], ticked: object, faults: Mapping[str, str]) -> Response:
        taxonomy = self._context.settings().taxonomy
        html = self._view.render(
            "subscribe.html",
            given={name: given.get(name, "") for name in FIELDS},
            ticked=ticked,
            faults=faults,
            wording=WORDS.ask,
            frequencies=FREQUENCIES,
            languages=LANGUAGES,
            zones=zones(),
            countries=_labelled(taxonomy.countries),
            topics=_labelled(taxonomy.topics),
        )
        return HTMLResponse(html, status_code=400 if faults else 200, headers=NO_STORE)

    # --- the link ---------------------------------------------------------------------------------

    def link(self, request: Request) -> Response:
        """The page with the button; mail scanners open it, so it changes nothing."""
        found = self._read(request)
        if found is None:
            return self._broken()
        asked = self._context.readers.asked_for(found)
        if asked is None:
            return self._over(found)
        return self._page(asked, found.newsletter_id)

    def confirm(self, request: Request) -> Response:
        """Makes the subscription good; the token is all the proof there is."""
        refuse_foreign(request, self._context.settings())
        found = self._read(request)
        if found is None:
            return self._broken()
        settings = self._context.settings()
        words = WORDS.confirm.format(newsletter=_title(settings, found.newsletter_id), site=settings.site.title)
        outcome = self._context.readers.confirm(found, evidence(request, settings, "/confirm", words))
        asked = self._context.readers.asked_for(found)
        if outcome in (ConfirmOutcome.EXPIRED, ConfirmOutcome.GONE) or asked is None:
            return self._over(found)
        return self._page(asked, found.newsletter_id, fresh=outcome is ConfirmOutcome.CONFIRMED)

    def _page(self, asked: AskedFor, first: str, *, fresh: bool = False) -> Response:
        """`fresh`: the reader has confirmed just now, and may go on to their preferences; the link alone may not."""
        settings = self._context.settings()
        rows = [
            {
                "title": _title(settings, item.newsletter_id),
                "is_done": item.is_done,
                "is_this": item.newsletter_id == first,
                "wording": WORDS.confirm.format(
                    newsletter=_title(settings, item.newsletter_id), site=settings.site.title
                ),
                "address": self._address(asked, item.newsletter_id),
            }
            for item in asked.newsletters
            if settings.newsletter(item.newsletter_id)
        ]
        rows.sort(key=lambda row: not row["is_this"])
        token = self._context.signer.preferences_token(asked.subscriber_id)
        preferences = f"{root_of(settings.site)}/preferences/{quote(token)}" if fresh else None
        html = self._view.render("confirm.html", rows=rows, fresh=fresh, preferences=preferences)
        return HTMLResponse(html, headers=PRIVATE)

    def _address(self, asked: AskedFor, newsletter_id: str) -> str:
        """Where the button of one newsletter leads; each has a token of its own."""
        token = self._context.signer.confirm_token(asked.subscriber_id, newsletter_id, asked.nonce, asked.asked_at)
        return f"{root_of(self._context.settings().site)}/confirm/{quote(token)}"

    def _read(self, request: Request) -> Confirmation | None:
        who = client(request, self._context.settings())
        self._misses.demand_room(who)
        try:
            return self._context.signer.read_confirm(request.path_params["token"])
        except TokenError:
            self._misses.note(who)
            return None

    def _broken(self) -> Response:
        return HTMLResponse(self._view.render("broken_link.html"), status_code=400, headers=PRIVATE)

    def _over(self, found: Confirmation) -> Response:
        html = self._view.render("over.html", title=_title(self._context.settings(), found.newsletter_id))
        return HTMLResponse(html, status_code=410, headers=PRIVATE)


def _read(
    given: Mapping[str, str], ticked: Sequence[Newsletter], letters: Sequence[Newsletter]
) -> tuple[dict[str, Choices], dict[str, str]]:
    """What is asked for, by newsletter, and what is wrong, by field; nothing that depends on whose address it is."""
    faults: dict[str, str] = {}
    if len(given["email"]) > LONGEST_ADDRESS or not _LIKE_AN_ADDRESS.fullmatch(given["email"]):
        faults["email"] = "Please write your e-mail address, as in name@example.org."
    if not ticked:
        faults["newsletter"] = "Please tick at least one."
    asked = {}
    for letter in ticked or letters[:1]:  # a fault is told at once, whatever is to be ticked yet
        chosen = _chosen(given, letter)
        asked[letter.id] = chosen.choices
        faults |= {("frequency" if name == "schedule" else name): fault for name, fault in chosen.faults.items()}
    return asked, faults


def _chosen(given: Mapping[str, str], letter: Newsletter) -> Chosen:
    fields = {"country": given["country"], "topic": given["topic"]}
    query = " AND ".join(f"{name}:{slug(value)}" for name, value in fields.items() if slug(value))
    schedule = schedule_words(Rhythm(frequency=given["frequency"]), letter)
    answers = {"schedule": schedule, "language": given["language"], "timezone": given["timezone"], "query": query}
    return read_choices(answers, letter)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _title(settings: Settings, newsletter_id: str) -> str:
    letter = settings.newsletter(newsletter_id)
    return letter.title if letter else newsletter_id


def _labelled(items: object) -> list[tuple[str, str]]:
    """(id, English name), by name."""
    pairs = [(item.id, item.label.get("en", item.id)) for item in items]  # type: ignore[attr-defined]
    return sorted(pairs, key=lambda pair: pair[1].casefold())


def sign_up_routes(context: WebContext, view: View, misses: Misses) -> list[Route]:
    """The routes of subscribing."""
    at = SignUpPages(context, view, misses)
    return [
        Route("/subscribe", at.form, methods=["GET"]),
        Route("/subscribe", at.ask, methods=["POST"]),
        Route("/confirm/{token}", at.link, methods=["GET"]),
        Route("/confirm/{token}", at.confirm, methods=["POST"]),
    ]
