"""How many mails may be asked for: nobody can make us write to a stranger again and again.

subscribe: form > **throttle** > pending subscription + notice
"""

from __future__ import annotations

from datetime import timedelta

from aggregator.model.signup import SignUpCounts, SignUpVerdict

FORMS_OF_A_NETWORK = 5
"""Forms that one network may send in an hour."""
MAILS_TO_AN_ADDRESS = 3
"""Mails that one address gets in 30 days because somebody asked, whatever for."""
MAILS_OF_THE_SITE = 300
"""Mails that the whole site sends in an hour because somebody asked; at more of them, something is wrong."""
HOUR, DAY, MONTH = timedelta(hours=1), timedelta(days=1), timedelta(days=30)
TERM = timedelta(days=7)
"""How long a link to confirm is good, and what is unconfirmed is kept."""


def judge(counts: SignUpCounts) -> SignUpVerdict:
    """What a form leads to. Only what is known of the network and of the site is ever told; an address gets no second
    mail while its reader has not answered the first of the day, and a suppressed one gets one in all."""
    if counts.network >= FORMS_OF_A_NETWORK:
        return SignUpVerdict.LATER
    if counts.site >= MAILS_OF_THE_SITE:
        return SignUpVerdict.CEILING
    most = 1 if counts.is_suppressed else MAILS_TO_AN_ADDRESS
    if counts.waits or counts.address >= most:
        return SignUpVerdict.NO_MAIL
    return SignUpVerdict.MAIL
