"""All feeds as OPML, whatever their names hold."""

from dataclasses import replace
from xml.etree import ElementTree

from starlette.testclient import TestClient

from aggregator.model.feed import FeedOptions
from aggregator.web.opml import opml
from tests.web.sample_site import APPS, IFRI, SITE, settings


def outlines(document: bytes) -> list[dict[str, str]]:
    return [dict(outline.attrib) for outline in ElementTree.fromstring(document).iter("outline")]


def test_feeds_are_listed_by_name_with_what_a_reader_needs() -> None:
    tagged = replace(IFRI, options=FeedOptions(tags=("publisher:ifri", "type:report")))
    document = opml(settings(feeds=[tagged]))
    assert outlines(document) == [
        {
            "type": "rss",
            "text": "Ifri",
            "title": "Ifri",
            "xmlUrl": "https://ifri.example/rss",
            "htmlUrl": "https://ifri.example/",
            "language": "fr",
            "category": "publisher:ifri,type:report",
        }
    ]
    root = ElementTree.fromstring(document)
    assert (root.get("version"), root.findtext("head/title")) == ("2.0", "Think Tank Wire")
    assert root.findtext("head/ownerEmail") == "desk@wire.example.org"
    assert document.startswith(b"<?xml")


def test_an_address_with_a_key_in_it_stays_ours() -> None:
    document = opml(settings(feeds=[APPS]))
    assert b"s3cret" not in document
    assert outlines(document) == [{"type": "rss", "text": "APPS", "title": "APPS", "language": "en"}]


def test_names_that_are_markup_or_no_xml_stay_text() -> None:
    (outline,) = outlines(opml(settings(feeds=[replace(IFRI, name='"><x/>\x0b\ufffe&amp;')])))
    assert outline["text"] == '"><x/>&amp;'


def test_a_site_without_a_contact_names_no_owner() -> None:
    assert b"ownerEmail" not in opml(settings(site=replace(SITE, contact=None)))


def test_it_is_served_as_opml(client: TestClient) -> None:
    answer = client.get("/opml")
    assert answer.headers["content-type"] == "text/x-opml; charset=utf-8"
    assert len(outlines(answer.content)) == 3
