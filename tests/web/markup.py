"""What a page is made of, apart from its words: if words of a feed change that, they have become markup."""

import re
from functools import lru_cache
from html.parser import HTMLParser

from lxml import html as lxml_html

from aggregator.steps.normalise import TAGS

Skeleton = tuple[tuple[str, ...], ...]
OURS = frozenset(
    "article aside body button datalist details fieldset footer form head header html input label legend link main "
    "meta nav option section select summary time title".split()
)
"""Elements that only our templates make, beside those a publication may hold."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *sorted(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))


@lru_cache(maxsize=256)  # many a page says nothing of what was asked, and is the same
def skeleton(html: str) -> Skeleton:
    """Every tag of a page with the names of its attributes, in order, as two parsers see them."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    tree = lxml_html.document_fromstring(html.replace("\0", ""))
    seen = tuple((str(element.tag), *sorted(map(str, element.attrib))) for element in tree.iter())
    return (*reader.tags, *seen)


@lru_cache(maxsize=256)
def live_parts(html: str) -> tuple[str, ...]:
    """Whatever in a page could run, load or submit, and was not put there by our templates."""
    found = []
    for element in lxml_html.document_fromstring(html.replace("\0", "")).iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag not in OURS | TAGS - {"img"}:
            found.append(f"<{element.tag}>")
        for name, value in element.attrib.items():
            address = name in ("href", "src", "action", "formaction")
            plain = re.sub(r"[\t\n\r]", "", value)  # as browsers read addresses
            foreign = address and not plain.startswith(("http://", "https://", "mailto:", "/", "#"))
            if name.startswith("on") or name in ("style", "srcdoc") or foreign:
                found.append(f"{name}={value}")
    return tuple(found)
