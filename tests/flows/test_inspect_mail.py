"""Looking at our mail: what is asked, in which rounds, and that it comes to an end."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aggregator.flows.inspect_mail import MOST_ROUNDS, InspectPorts, inspect_mail
from aggregator.model.mailfacts import Answer, MailSetup, Outcome, Question, Sending

SETUP = MailSetup(sendings=(Sending(sender="example.org", envelope="example.org"),))


class Names:
    """Says of every TXT record what it is given, and notes each round."""

    def __init__(self, records: Mapping[str, str], *, forgets: bool = False) -> None:
        self.records, self.forgets = records, forgets
        self.rounds: list[set[Question]] = []

    def answers(self, questions: Collection[Question]) -> Mapping[Question, Answer]:
        self.rounds.append(set(questions))
        if self.forgets:
            return {}
        texts = {question: self.records.get(question.name) for question in questions if question.type == "TXT"}
        found = {question: Answer(values=(text,)) for question, text in texts.items() if text}
        return {question: found.get(question, Answer()) for question in questions}


def test_each_thing_is_asked_once_and_what_it_leads_to_in_the_next_round() -> None:
    names = Names({"example.org": "v=spf1 include:a.example -all", "a.example": "v=spf1 include:b.example -all"})
    verdicts = inspect_mail(InspectPorts(names=names), SETUP, None)
    assert [len(asked) for asked in names.rounds] == [3, 1, 1]
    assert names.rounds[1:] == [{Question(type="TXT", name="a.example")}, {Question(type="TXT", name="b.example")}]
    assert "b.example, which it includes, has no record" in verdicts[0].seen


def test_nothing_to_look_at_asks_nothing() -> None:
    names = Names({})
    verdicts = inspect_mail(InspectPorts(names=names), MailSetup(sendings=()), None)
    assert names.rounds == []
    assert {verdict.outcome for verdict in verdicts} == {Outcome.UNKNOWN}


def test_names_that_never_answer_do_not_hold_it_up_for_ever() -> None:
    names = Names({}, forgets=True)
    verdicts = inspect_mail(InspectPorts(names=names), SETUP, None)
    assert len(names.rounds) == MOST_ROUNDS
    assert verdicts[0].seen == "not asked yet"
