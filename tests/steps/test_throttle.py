"""Nobody can make us write to a stranger again and again."""

import pytest

from aggregator.model.signup import SignUpCounts, SignUpVerdict
from aggregator.steps.throttle import FORMS_OF_A_NETWORK, MAILS_OF_THE_SITE, MAILS_TO_AN_ADDRESS, judge


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        (SignUpCounts(), SignUpVerdict.MAIL),
        (SignUpCounts(network=FORMS_OF_A_NETWORK - 1), SignUpVerdict.MAIL),
        (SignUpCounts(network=FORMS_OF_A_NETWORK), SignUpVerdict.LATER),
        (SignUpCounts(site=MAILS_OF_THE_SITE), SignUpVerdict.CEILING),
        (SignUpCounts(waits=True, address=1), SignUpVerdict.NO_MAIL),
        (SignUpCounts(address=MAILS_TO_AN_ADDRESS - 1), SignUpVerdict.MAIL),
        (SignUpCounts(address=MAILS_TO_AN_ADDRESS), SignUpVerdict.NO_MAIL),
        (SignUpCounts(is_suppressed=True), SignUpVerdict.MAIL),
        (SignUpCounts(is_suppressed=True, address=1), SignUpVerdict.NO_MAIL),
    ],
)
def test_what_a_form_leads_to(counts: SignUpCounts, verdict: SignUpVerdict) -> None:
    assert judge(counts) is verdict


@pytest.mark.parametrize("address", range(5))
@pytest.mark.parametrize("suppressed", [True, False])
def test_whether_to_come_back_later_says_nothing_about_an_address(address: int, suppressed: bool) -> None:
    for full in ({"network": FORMS_OF_A_NETWORK}, {"site": MAILS_OF_THE_SITE}):
        counts = SignUpCounts(address=address, is_suppressed=suppressed, waits=address > 2, **full)
        assert judge(counts) in (SignUpVerdict.LATER, SignUpVerdict.CEILING)
