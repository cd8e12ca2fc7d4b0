"""`aggregator mail`: what the DNS has to say of our mail, and whether it does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from aggregator.cli.output import Json, print_json, print_table, say
from aggregator.cli.session import config_path, settings_of
from aggregator.looking import look_at_mail
from aggregator.model.mailfacts import Outcome, Verdict
from aggregator.model.mailkey import MailKey
from aggregator.settings.dkim_keys import KEY, SELECTOR, make_key_file
from aggregator.settings.loading import load_settings

app = typer.Typer(no_args_is_help=True)
Resolver = Annotated[
    str | None, typer.Option("--resolver", help="Address of the name server to ask, in place of this machine's own.")
]
LONGEST_STRING = 255
"""Octets in one string of a TXT record (RFC 1035 3.3); longer values are several strings, read as one (RFC 6376
3.6.2.2)."""


@app.command()
def key(
    context: typer.Context,
    selector: Annotated[str, typer.Option("--selector", help="Its name in the DNS, new for each key: dkim-2026a.")],
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help="An Ed25519 key, as a second one; else RSA of 2048 bits.")
    ] = False,
    domain: Annotated[
        str | None, typer.Option("--domain", help="The domain of `from`; none: those of the newsletters.")
    ] = None,
    folder: Annotated[Path, typer.Option("--to", help="Folder for the file; made if missing.")] = Path(),
    as_json: Json = False,
) -> None:
    """Make a key that signs letters, and print the TXT record to publish."""
    domains = [domain] if domain else _domains(context)
    path = folder / f"{selector}.pem"
    made = make_key_file(path, selector, "ed25519" if ed25519 else "rsa")
    names = [f"{selector}._domainkey.{name}" for name in domains]
    if as_json:
        print_json({"file": str(path), "names": names, "type": "TXT", "value": made.record})
        return
    say(f"The private key is in {path}, which only you may read: no copy of it goes anywhere but to this program.")
    for name in names:
        say(f"Publish at {name} as TXT: {made.record}")
    say("The same for a zone file:")
    for name in names:
        say(_zone_line(name, made))
    say(f"Next: once `aggregator check-mail` finds it, {KEY}={path.absolute()} has letters signed with it.")


@app.command()
def check(context: typer.Context, resolver: Resolver = None, as_json: Json = False) -> None:
    """Ask the DNS and the mail server whether receivers will believe our letters: SPF, DKIM, DMARC, MX, PTR, TLS."""
    verdicts = look_at_mail(settings_of(context), resolver=resolver)
    counts = {outcome: sum(verdict.outcome is outcome for verdict in verdicts) for outcome in Outcome}
    if as_json:
        print_json({"checks": verdicts, **{outcome.value.replace(" ", "_"): n for outcome, n in counts.items()}})
    else:
        _tell(verdicts)
        say(", ".join(f"{count} {outcome.value}" for outcome, count in counts.items()))
    if counts[Outcome.FAIL]:
        raise typer.Exit(1)


def _tell(verdicts: tuple[Verdict, ...]) -> None:
    rows = [(item.outcome.value, item.check, item.subject, f"{item.seen}. {item.cure}".strip()) for item in verdicts]
    print_table(("", "check", "of", "what was seen, and what to do"), rows)


def _domains(context: typer.Context) -> list[str]:
    """Of the newsletters' senders; the keys of today are left alone, as one of them may be the one to be made."""
    environ = {name: value for name, value in os.environ.items() if name not in (KEY, SELECTOR)}
    settings = load_settings(config_path(context), environ)
    return list(dict.fromkeys(letter.domain for letter in settings.newsletters)) or ["YOUR-DOMAIN"]


def _zone_line(name: str, key: MailKey) -> str:
    record = key.record
    strings = (record[start : start + LONGEST_STRING] for start in range(0, len(record), LONGEST_STRING))
    return f"{name}. IN TXT ( " + " ".join(f'"{text}"' for text in strings) + " )"
