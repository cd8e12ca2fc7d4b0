"""All checks of our mail at once, from what is known so far.

check-mail: relay > **judge** > names.answers > **judge** > ... until nothing is missing
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aggregator.model.mailfacts import Answer, MailSetup, Question, RelayFacts, Verdict
from aggregator.steps.mailcheck.notebook import Notebook
from aggregator.steps.mailcheck.records import judge_alignment, judge_dkim, judge_dmarc, judge_mx, judge_relay_signs
from aggregator.steps.mailcheck.servers import judge_ptr, judge_tls, no_relay
from aggregator.steps.mailcheck.spf import judge_spf


def judge(
    setup: MailSetup, relay: RelayFacts | None, known: Mapping[Question, Answer]
) -> tuple[tuple[Verdict, ...], frozenset[Question]]:
    """The verdicts, and what has to be asked before they are the last word: nothing, when they are."""
    notebook = Notebook(known)
    verdicts = tuple(_verdicts(setup, relay, notebook))
    return verdicts, frozenset(notebook.missing)


def _verdicts(setup: MailSetup, relay: RelayFacts | None, notebook: Notebook) -> Iterator[Verdict]:
    senders = dict.fromkeys(sending.sender for sending in setup.sendings)
    envelopes = dict.fromkeys(sending.envelope for sending in setup.sendings)
    for domain in envelopes:  # SPF asks about the envelope, never about From (RFC 7208 2.4)
        yield judge_spf(notebook, domain)
    for domain in senders:
        yield from (judge_dkim(notebook, domain, key) for key in setup.keys)
        if not setup.keys:
            yield judge_relay_signs(domain)
        yield judge_dmarc(notebook, domain)
    for sending in setup.sendings:
        yield judge_alignment(notebook, sending, signs=bool(setup.keys))
    for domain in senders | envelopes:
        yield judge_mx(notebook, domain)
    if relay is None:
        yield from no_relay()
    else:
        yield judge_tls(relay)
        yield judge_ptr(notebook, relay)
