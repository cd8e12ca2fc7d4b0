"""The mail server: whether its name and address vouch for each other, and whether what we say to it stays secret."""

from __future__ import annotations

from ipaddress import ip_address

from aggregator.model.mailfacts import Outcome, RelayFacts, Verdict
from aggregator.steps.mailcheck.notebook import Notebook

MOST_NAMES = 10
"""Names of one address that are looked at."""


def judge_ptr(notebook: Notebook, relay: RelayFacts) -> Verdict:
    """Whether its address has a name that leads back to it and is the one it greets with (RFC 1912 2.1).

    That is the address we connect to. Who makes us log in may send from others, so there a fault only may be one.
    """
    if relay.fault or relay.address is None:
        return _ptr(relay, Outcome.UNKNOWN, "it takes no connection from here", "Mend the connection first.")
    address = ip_address(relay.address)
    if not address.is_global:
        seen = f"{address} is an address inside your network, not the one it sends from"
        return _ptr(relay, Outcome.UNKNOWN, seen, "Look up the PTR of the address that it has on the internet.")
    answer = notebook.ask("PTR", address.reverse_pointer)
    if answer.fault:
        return _ptr(relay, Outcome.UNKNOWN, answer.fault, "Try again later, or ask another server by --resolver.")
    names = [name.lower().rstrip(".") for name in answer.values[:MOST_NAMES]]
    leading_back = [name for name in names if str(address) in _addresses(notebook, name, address.version)]
    own = (relay.name or "").lower().rstrip(".")
    if own in leading_back:
        return _ptr(relay, Outcome.PASS, f"{address} is {own}, both ways")
    return _ptr_fault(relay, names, leading_back, own)


def _ptr_fault(relay: RelayFacts, names: list[str], leading_back: list[str], own: str) -> Verdict:
    if not names:
        seen = f"{relay.address} has no PTR record"
    elif not leading_back:
        seen = f"{relay.address} is {', '.join(names)} by its PTR record, which does not lead back to it"
    else:
        seen = f"{relay.address} is {', '.join(leading_back)}, but it calls itself {own or 'nothing'}"
    if relay.logs_in:
        return _ptr(
            relay, Outcome.UNKNOWN, f"{seen}; it may send from others", "Look at the headers of a letter that came."
        )
    cure = (
        f"Have who rents out {relay.address} set its PTR record to {own or 'a name of yours'}, and let that lead back."
    )
    return _ptr(relay, Outcome.FAIL, seen, cure)


def _addresses(notebook: Notebook, name: str, version: int) -> set[str]:
    answer = notebook.ask("AAAA" if version == 6 else "A", name)
    return {str(ip_address(value)) for value in answer.values}


def judge_tls(relay: RelayFacts) -> Verdict:
    """Whether the conversation with it is secret (RFC 3207)."""
    if relay.fault:
        cure = "Mend AGGREGATOR_SMTP_URL, or what stands between this machine and that server."
        return _tls(relay, Outcome.FAIL, relay.fault, cure)
    if relay.tls_fault:
        cure = "Let it have a certificate for that name by an authority this machine trusts; nothing is sent without."
        return _tls(relay, Outcome.FAIL, relay.tls_fault, cure)
    if relay.tls == "implicit":
        return _tls(relay, Outcome.PASS, "TLS from the first byte")
    if relay.offers_starttls:
        unused = ", and ?tls=none does without" if relay.tls == "none" else ""
        return _tls(relay, Outcome.PASS, f"STARTTLS is offered{unused}")
    if relay.tls == "none" and relay.address and ip_address(relay.address).is_loopback:
        return _tls(relay, Outcome.PASS, "no STARTTLS, and no need of it: the server is on this machine")
    return _tls(relay, Outcome.FAIL, "it offers no STARTTLS", "Switch TLS on there, or use its port 465 by smtps://.")


def no_relay() -> tuple[Verdict, ...]:
    """What there is to say where letters become files."""
    seen, cure = "AGGREGATOR_SMTP_URL names no mail server", "Name one; until then no letter is sent."
    return tuple(
        Verdict(check=check, subject="mail server", outcome=Outcome.UNKNOWN, seen=seen, cure=cure)
        for check in ("STARTTLS", "PTR")
    )


def _ptr(relay: RelayFacts, outcome: Outcome, seen: str, cure: str = "") -> Verdict:
    return Verdict(check="PTR", subject=relay.place, outcome=outcome, seen=seen, cure=cure)


def _tls(relay: RelayFacts, outcome: Outcome, seen: str, cure: str = "") -> Verdict:
    return Verdict(check="STARTTLS", subject=relay.place, outcome=outcome, seen=seen, cure=cure)
