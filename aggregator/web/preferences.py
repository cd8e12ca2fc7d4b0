"""A reader's own page, `/preferences/TOKEN`: what they get, how and when; what is kept about them; and its end.

The token, which stands in each of their letters, is all the proof there is. Looking changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from aggregator.errors import QueryError, TokenError
from aggregator.model.consent import Act
from aggregator.model.delivery import SubscriptionState
from aggregator.model.edition import Choices
from aggregator.model.newsletter import Newsletter
from aggregator.model.person import Person
from aggregator.press.consent_words import WORDS
from aggregator.schedule import DAYS
from aggregator.steps.choosing import (
    FREQUENCIES,
    LANGUAGES,
    Rhythm,
    read_choices,
    rhythm_of,
    schedule_words,
    zones,
)
from aggregator.web.context import WebContext
from aggregator.web.subscriptions import PRIVATE
from aggregator.web.view import View, root_of
from aggregator.web.visitor import Misses, client, evidence, refuse_foreign

FIELDS = ("frequency", "at", "day", "timezone", "quiet_from", "quiet_to", "language", "query")
PAGE = "/preferences"


class PreferencePages:
    """The endpoints below `/preferences/TOKEN`."""

    def __init__(self, context: WebContext, view: View, misses: Misses) -> None:
        self._context, self._view, self._misses = context, view, misses

    def look(self, request: Request) -> Response:
        """The page as things are."""
        person = self._person(request)
        return self._page(request, person) if person else self._nobody()

    async def change(self, request: Request) -> Response:
        """Does what one form of the page asks."""
        refuse_foreign(request, self._context.settings())
        async with request.form(max_files=1, max_fields=60) as form:
            return await run_in_threadpool(self._change, request, form)

    def _change(self, request: Request, form: FormData) -> Response:
        person, what, letter_id = self._person(request), _text(form, "do"), _text(form, "newsletter")
        if person is None:
            return self._nobody()
        settings = self._context.settings()
        letter = settings.newsletter(letter_id)
        if what == "leave-all":
            act = evidence(request, settings, PAGE, WORDS.leave.format(newsletter="everything"))
            self._context.readers.leave(person.subscriber.id, None, act)
            return self._again(request, "You are unsubscribed from everything.")
        if what == "leave" and person.subscription(letter_id):
            title = letter.title if letter else letter_id
            act = evidence(request, settings, PAGE, WORDS.leave.format(newsletter=title))
            self._context.readers.leave(person.subscriber.id, letter_id, act)
            return self._again(request, f"You are unsubscribed from {title}.")
        if what in ("save", "back") and letter is not None:
            return self._save(request, person, letter, form, is_back=what == "back")
        return self._page(request, person)

    def _save(self, request: Request, person: Person, letter: Newsletter, form: FormData, *, is_back: bool) -> Response:
        """`is_back`: take it up as it was, without a word on how."""
        held = person.subscription(letter.id)
        given = _shown(letter, held.choices if held else Choices()) if is_back else _given(form)
        chosen = read_choices(_answers(given, letter), letter)
        if chosen.faults:
            return self._page(request, person, letter.id, given, _by_field(chosen.faults), chosen.query_fault)
        settings, has = self._context.settings(), held is not None and held.state is SubscriptionState.CONFIRMED
        words = (WORDS.change if has else WORDS.take_up).format(newsletter=letter.title)
        done = self._context.readers.prefer(
            person.subscriber.id, letter.id, chosen.choices, evidence(request, settings, PAGE, words)
        )
        said = {Act.CONFIRMED: f"You get {letter.title} from its next issue on.", Act.CHANGED: "Saved."}
        return self._again(request, said.get(done, "All is as it was.") if done else "All is as it was.")

    # --- what is kept -----------------------------------------------------------------------------

    def data(self, request: Request) -> Response:
        """All that is kept about the reader, as a file."""
        person = self._person(request)
        data = self._context.readers.everything(person) if person else None
        if data is None:
            return self._nobody()
        plain = json.loads(json.dumps(asdict(data), default=_plain))
        headers = PRIVATE | {"Content-Disposition": 'attachment; filename="my-data.json"'}
        return JSONResponse(plain, headers=headers)

    def ask_erase(self, request: Request) -> Response:
        """The page with the last button."""
        person = self._person(request)
        if person is None:
            return self._nobody()
        back = self._own_page(request)
        html = self._view.render("erase.html", person=person, back=back)
        return HTMLResponse(html, headers=PRIVATE)

    async def erase(self, request: Request) -> Response:
        """Erases, once the page before it was sent."""
        refuse_foreign(request, self._context.settings())
        async with request.form(max_files=1, max_fields=10) as form:
            agreed = _text(form, "erase") == "yes"
        return await run_in_threadpool(self._erase if agreed else self.ask_erase, request)

    def _erase(self, request: Request) -> Response:
        person = self._person(request)
        if person is None:
            return self._nobody()
        self._context.readers.erase(person.subscriber.id)
        return HTMLResponse(self._view.render("erased.html"), headers=PRIVATE)

    # --- the page ---------------------------------------------------------------------------------

    def _again(self, request: Request, message: str) -> Response:
        person = self._person(request)
        return self._page(request, person, message=message) if person else self._nobody()

    def _page(
        self,
        request: Request,
        person: Person,
        letter_id: str = "",
        given: Mapping[str, object] | None = None,
        faults: Mapping[str, str] | None = None,
        query_fault: QueryError | None = None,
        *,
        message: str = "",
    ) -> Response:
        """`given`, `faults`: what was sent for one newsletter, and what is wrong with it."""
        settings = self._context.settings()
        rows = []
        for letter in settings.newsletters:
            held, is_this = person.subscription(letter.id), letter.id == letter_id and given is not None
            rows.append(
                {
                    "id": letter.id,
                    "letter": letter,
                    "state": held.state.value if held else "",
                    "given": given if is_this else _shown(letter, held.choices if held else Choices()),
                    "faults": (faults or {}) if is_this else {},
                    "query_fault": query_fault if is_this else None,
                }
            )
        html = self._view.render(
            "preferences.html",
            person=person,
            rows=rows,
            gone=[item for item in person.subscriptions if not settings.newsletter(item.newsletter_id)],
            message=message,
            own=self._own_page(request),
            frequencies=FREQUENCIES,
            days=DAYS,
            languages=LANGUAGES,
            zones=zones(),
        )
        return HTMLResponse(html, status_code=400 if faults else 200, headers=PRIVATE)

    def _own_page(self, request: Request) -> str:
        return f"{root_of(self._context.settings().site)}{PAGE}/{quote(request.path_params['token'])}"

    def _person(self, request: Request) -> Person | None:
        who = client(request, self._context.settings())
        self._misses.demand_room(who)
        try:
            id_ = self._context.signer.read_preferences(request.path_params["token"])
        except TokenError:
            self._misses.note(who)
            return None
        return self._context.readers.persons.person(id_)

    def _nobody(self) -> Response:
        """The same for a link that is none and for one of somebody who was erased."""
        return HTMLResponse(self._view.render("broken_link.html"), status_code=400, headers=PRIVATE)


def _given(form: FormData) -> dict[str, object]:
    return {name: _text(form, name) for name in FIELDS} | {
        "weekdays": tuple(day for day in DAYS if day in form.getlist("weekday"))
    }


def _shown(letter: Newsletter, choices: Choices) -> dict[str, object]:
    """What a form shows of choices."""
    rhythm = rhythm_of(choices.schedule, letter)
    start, _, end = (choices.quiet or "").partition("-")
    return {
        "frequency": rhythm.frequency,
        "weekdays": rhythm.weekdays,
        "at": rhythm.at,
        "day": rhythm.day,
        "timezone": choices.timezone or "",
        "quiet_from": start,
        "quiet_to": end,
        "language": choices.language or "",
        "query": choices.query,
    }


def _answers(given: Mapping[str, object], letter: Newsletter) -> dict[str, str]:
    """A form's fields in the words of `choosing`."""
    said = {name: str(given[name]) for name in FIELDS}
    weekdays = given["weekdays"]
    rhythm = Rhythm(
        frequency=said["frequency"],
        weekdays=weekdays if isinstance(weekdays, tuple) else (),
        at=said["at"],
        day=said["day"],
    )
    quiet = f"{said['quiet_from']}-{said['quiet_to']}" if said["quiet_from"] or said["quiet_to"] else ""
    own = {name: said[name] for name in ("timezone", "language", "query")}
    return own | {"schedule": schedule_words(rhythm, letter), "quiet": quiet}


def _by_field(faults: Mapping[str, str]) -> dict[str, str]:
    names = {"schedule": "frequency", "quiet": "quiet_from"}
    return {names.get(name, name): fault for name, fault in faults.items()}


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, Enum) else str(value)


def preference_routes(context: WebContext, view: View, misses: Misses) -> list[Route]:
    """The routes of a reader's own page."""
    at = PreferencePages(context, view, misses)
    return [
        Route(f"{PAGE}/{{token}}", at.look, methods=["GET"]),
        Route(f"{PAGE}/{{token}}", at.change, methods=["POST"]),
        Route(f"{PAGE}/{{token}}/data", at.data, methods=["GET"]),
        Route(f"{PAGE}/{{token}}/erase", at.ask_erase, methods=["GET"]),
        Route(f"{PAGE}/{{token}}/erase", at.erase, methods=["POST"]),
    ]
