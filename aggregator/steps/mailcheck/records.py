"""DKIM, DMARC and MX: what a domain's records say of letters that come from it."""

from __future__ import annotations

from aggregator.model.mailfacts import Answer, Outcome, Sending, Verdict
from aggregator.model.mailkey import MailKey
from aggregator.steps.mailcheck.notebook import Notebook, tags_of

POLICIES = ("none", "quarantine", "reject")
LATER = "Try again later, or ask another server by --resolver."
MOST_PARENTS = 8
"""Names that are asked for a policy, at most (RFC 9989)."""


def judge_dkim(notebook: Notebook, domain: str, key: MailKey) -> Verdict:
    """Whether the record at the selector is that of our key (RFC 6376 3.6.1)."""
    name = f"{key.selector}._domainkey.{domain}"
    answer = notebook.ask("TXT", name)
    publish = f"Publish one TXT record at {name}: {key.record}"
    if answer.fault:
        return Verdict(check="DKIM", subject=name, outcome=Outcome.UNKNOWN, seen=answer.fault, cure=LATER)
    if fault := _dkim_fault(answer, key):
        return Verdict(check="DKIM", subject=name, outcome=Outcome.FAIL, seen=fault, cure=publish)
    size = f" of {key.bits} bits" if key.algorithm == "rsa" else ""
    return Verdict(check="DKIM", subject=name, outcome=Outcome.PASS, seen=f"our {key.algorithm} key{size}")


def _dkim_fault(answer: Answer, key: MailKey) -> str | None:
    if len(answer.values) != 1:
        return f"there are {len(answer.values)} records, and it takes one" if answer.values else "there is no record"
    tags = tags_of(answer.values[0])
    public = "".join(tags.get("p", "").split())
    flags, services = tags.get("t", "").split(":"), tags.get("s", "*").split(":")
    faults = {
        "it is no DKIM record": tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags,
        "its key is withdrawn (p= is empty)": not public,
        "it is of another kind than our key": tags.get("k", "rsa") != key.algorithm,
        "it shows another key than ours": public != key.public,
        "it says that it is a test (t=y), so that signatures count for nothing": "y" in flags,
        "it admits no SHA-256 (h=)": "sha256" not in tags.get("h", "sha256").split(":"),
        "it is for something else than mail (s=)": not {"*", "email"} & set(services),
    }
    return next((fault for fault, is_so in faults.items() if is_so), None)


def judge_relay_signs(domain: str) -> Verdict:
    """What there is to say of signatures that we do not make."""
    seen = "AGGREGATOR_DKIM_KEY names no key, so the mail server has to sign"
    cure = "Make a key by `aggregator mail key`, or see in a letter that arrived that the server signs for this domain."
    return Verdict(check="DKIM", subject=domain, outcome=Outcome.UNKNOWN, seen=seen, cure=cure)


# --- DMARC ----------------------------------------------------------------------------------------


def judge_dmarc(notebook: Notebook, domain: str) -> Verdict:
    """Whether receivers find a policy, at the domain or above it (RFC 9989)."""
    publish = f"Publish a TXT record at _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:ADDRESS-FOR-REPORTS"
    found = _policy_record(notebook, domain)
    if found is None:
        return _dmarc(domain, Outcome.FAIL, "there is no record", publish)
    place, answer = found
    if answer.fault:
        return _dmarc(domain, Outcome.UNKNOWN, answer.fault, LATER)
    if len(answer.values) > 1:
        cure = f"Leave one of the TXT records at _dmarc.{place} that begin v=DMARC1."
        return _dmarc(domain, Outcome.FAIL, f"there are {len(answer.values)} records, which counts as none", cure)
    tags = tags_of(answer.values[0])
    policy = (tags.get("sp") if place != domain else None) or tags.get("p", "")
    if policy.lower() not in POLICIES:
        cure = f"Write p=none, p=quarantine or p=reject into the record at _dmarc.{place}."
        return _dmarc(domain, Outcome.FAIL, f"its policy is {policy!r}" if policy else "it has no policy (p=)", cure)
    where = "" if place == domain else f", from the record of {place}"
    reports = "" if "rua" in tags else "; nobody gets reports (rua=)"
    return _dmarc(domain, Outcome.PASS, f"policy {policy.lower()}{where}{reports}")


def _policy_record(notebook: Notebook, domain: str) -> tuple[str, Answer] | None:
    """The nearest name with a policy, going up, and the records there; or the first that nobody could tell of."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1))[:MOST_PARENTS]:
        place = ".".join(labels[start:])
        answer = notebook.ask("TXT", f"_dmarc.{place}")
        records = tuple(text for text in answer.values if tags_of(text.partition(";")[0]).get("v") == "DMARC1")
        if answer.fault or records:
            return place, Answer(values=records, fault=answer.fault)
    return None


def judge_alignment(notebook: Notebook, sending: Sending, *, signs: bool) -> Verdict:
    """Whether what DKIM or SPF proves is of the domain that readers see (RFC 9989).

    A signature of ours is. Of the envelope's domain only a list of public suffixes could tell where it is another
    that is neither above nor below.
    """
    sender, envelope = sending.sender, sending.envelope
    if signs:
        return _alignment(sender, Outcome.PASS, f"letters are signed with d={sender}")
    if sender == envelope:
        return _alignment(sender, Outcome.PASS, "by SPF: the envelope is of the same domain")
    found = _policy_record(notebook, sender)
    record = found[1].values[0] if found and found[1].values else ""
    strict = tags_of(record).get("aspf", "r").lower() == "s"
    if not strict and (envelope.endswith(f".{sender}") or sender.endswith(f".{envelope}")):
        return _alignment(sender, Outcome.PASS, f"by SPF: the envelope is of {envelope}")
    seen = f"the envelope is of {envelope}, which " + ("aspf=s does not admit" if strict else "may be another's")
    cure = f"Name a key in AGGREGATOR_DKIM_KEY, or have the mail server sign with d={sender}."
    return _alignment(sender, Outcome.UNKNOWN, seen, cure)


# --- MX -------------------------------------------------------------------------------------------


def judge_mx(notebook: Notebook, domain: str) -> Verdict:
    """Whether answers and bounces can be delivered (RFC 5321 5.1)."""
    answer = notebook.ask("MX", domain)
    cure = f"Publish an MX record at {domain} that names a server which takes its mail."
    if answer.fault:
        return _mx(domain, Outcome.UNKNOWN, answer.fault, LATER)
    servers = [value.split()[-1].rstrip(".") for value in answer.values]
    if servers == [""]:
        return _mx(domain, Outcome.FAIL, "it says that it takes no mail (RFC 7505)", cure)
    if not servers:
        return _mx(domain, Outcome.FAIL, "there is no record", cure)
    return _mx(domain, Outcome.PASS, ", ".join(servers))


def _dmarc(domain: str, outcome: Outcome, seen: str, cure: str = "") -> Verdict:
    return Verdict(check="DMARC", subject=domain, outcome=outcome, seen=seen, cure=cure)


def _alignment(domain: str, outcome: Outcome, seen: str, cure: str = "") -> Verdict:
    return Verdict(check="alignment", subject=domain, outcome=outcome, seen=seen, cure=cure)


def _mx(domain: str, outcome: Outcome, seen: str, cure: str = "") -> Verdict:
    return Verdict(check="MX", subject=domain, outcome=outcome, seen=seen, cure=cure)
