"""The site as files for any web host: every publication, and the pages that need no server.

Written again, a file that did not change is not touched, and one that no longer belongs is removed if it is
still as we left it; a manifest in the folder says what that was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from aggregator.errors import unwritable
from aggregator.flows.publish import stories_of
from aggregator.model.story import Story
from aggregator.web.archive import public_file
from aggregator.web.context import WebContext
from aggregator.web.opml import opml
from aggregator.web.pages import Archive, Listing, Pages, listing
from aggregator.web.routes import ROBOTS
from aggregator.web.view import View

MANIFEST = ".aggregator.json"


def export(context: WebContext, folder: Path) -> int:
    """Write the site into `folder`; returns how many files it now has of us. Raises UsageError, OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _manifest(folder)
        written: dict[str, str] = {}
        for path, content in _files(context):
            written[path] = _write(folder / path, content)
        for path in before.keys() - written.keys():
            _remove(folder, path, before[path])
        _write(folder / MANIFEST, json.dumps(written, indent=0, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise unwritable(folder, error) from error
    return len(written)


# --- what is written ------------------------------------------------------------------------------


def _files(context: WebContext) -> Iterator[tuple[str, bytes]]:
    """Every file by its path below the folder."""
    view = View(context.settings, static=True)
    pages = Pages(context, view)
    found = map(context.publications.get, context.publications.etags())
    yield from ((publication.path, publication.body) for publication in found if publication)
    for path, html in _pages(context, pages):
        yield path, html.encode()
    for asset in view.assets.values():
        yield asset.path, asset.body
    yield "opml", opml(context.settings())
    yield "robots.txt", ROBOTS.encode()


def _pages(context: WebContext, pages: Pages) -> Iterator[tuple[str, str]]:
    front = listing(context.stories, None)
    stories = {story.id: story for story in front.stories} | _channel_stories(context)
    yield "index.html", pages.front(front)
    yield "404.html", pages.missing()
    yield "channels/index.html", pages.channels()
    yield "feeds/index.html", pages.feeds()
    related = context.folds.related(stories.values())
    for story in stories.values():
        written = [other for other in related.get(story.id, ()) if other.id in stories]
        yield f"stories/{story.id}/index.html", pages.story(story, written)
    for state in context.feeds.states():
        yield f"feeds/{state.feed.id}/index.html", pages.feed(state.feed.id, _of_feed(state.feed.id, stories))
    yield from _archive(context, pages)


def _archive(context: WebContext, pages: Pages) -> Iterator[tuple[str, str]]:
    settings = context.settings()
    yield "newsletters/index.html", pages.newsletters()
    for letter in settings.newsletters:
        issues = tuple(context.newsletters.issues(letter.id))
        yield f"newsletters/{letter.id}/index.html", pages.newsletter(letter.id, Archive(issues=issues, newest=True))
        for number in (issue.number for issue in issues):
            if issue := context.newsletters.issue(letter.id, number):
                yield f"newsletters/{letter.id}/{number}/index.html", public_file(issue, settings.site)


def _channel_stories(context: WebContext) -> dict[str, Story]:
    """The stories that the channels lead to."""
    found: dict[str, Story] = {}
    for channel in context.settings().channels:
        found |= {story.id: story for story in stories_of(context.stories, channel, context.now())}
    return found


def _of_feed(feed_id: str, stories: Mapping[str, Story]) -> Listing:
    own = [story for story in stories.values() if any(entry.feed_id == feed_id for entry in story.entries)]
    return Listing(stories=tuple(sorted(own, key=lambda story: -story.seq)), newest=True)


# --- writing --------------------------------------------------------------------------------------


def _manifest(folder: Path) -> Mapping[str, str]:
    """Hash by path of what the last export wrote; a damaged manifest only leaves old files where they are."""
    try:
        known = json.loads((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(path): str(digest) for path, digest in known.items()} if isinstance(known, dict) else {}


def _write(file: Path, content: bytes) -> str:
    """Put the file in place whole, unless it is there already; returns its hash."""
    if not file.is_file() or file.read_bytes() != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.write_bytes(content)
        part.replace(file)
    return sha256(content).hexdigest()


def _remove(folder: Path, path: str, digest: str) -> None:
    """Take away a file that is still as we wrote it, and the folders it leaves empty."""
    file = folder / path
    if ".." in file.parts or not file.is_relative_to(folder):
        return
    if not file.is_file() or sha256(file.read_bytes()).hexdigest() != digest:
        return
    file.unlink()
    above = file.parent
    while above != folder and not any(above.iterdir()):
        above.rmdir()
        above = above.parent
