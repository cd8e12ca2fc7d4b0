"""Issues in the browser: the letter as it was sent, without what is personal in it, in a sandbox."""

import re

from aggregator.model.channel import Site
from aggregator.model.newsletter import PREFERENCES_PLACEHOLDER, UNSUBSCRIBE_PLACEHOLDER, Issue
from aggregator.steps.rendering import for_archive

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
LETTER_HEADERS = {
    "Content-Security-Policy": f"{_POLICY}; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
}
"""A letter holds words of many publishers: nothing in it runs or loads, and it is not of our origin (HTML 7.1.5)."""
_HEAD = re.compile(r"<head\b[^>]*>")


def public_html(issue: Issue, site: Site) -> str:
    """The stored HTML without what is for one recipient alone; an address left over leads to the newsletter's page."""
    page = f"{site.base_url}/newsletters/{issue.newsletter_id}"
    html = for_archive(issue.rendering.html)
    return html.replace(UNSUBSCRIBE_PLACEHOLDER, page).replace(PREFERENCES_PLACEHOLDER, page)


def public_file(issue: Issue, site: Site) -> str:
    """The same as a file: its policy stands inside, as nobody knows what headers the host will send."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    return _HEAD.sub(lambda head: head[0] + policy, public_html(issue, site), count=1)
