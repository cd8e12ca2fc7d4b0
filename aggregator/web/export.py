"""The site as files for any web host: every publication, and the pages that need no server.

Written again, a file that did not change is not touched, and one that no longer belongs is removed if it is
still as we left it; a manifest in the folder says what that was. What others put there is not written over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

from aggregator.errors import UsageError, unwritable
from aggregator.flows.publish import stories_of
from aggregator.model.story import Story
from aggregator.web.archive import public_file
from aggregator.web.context import WebContext
from aggregator.web.opml import opml
from aggregator.web.pages import Archive, Listing, Pages, listing
from aggregator.web.routes import ROBOTS
from aggregator.web.view import View

MANIFEST = ".aggregator.json"

Content = Callable[[], bytes | None]
"""What a file is to hold, made when it is asked for; None when it has gone by then."""


def export(context: WebContext, folder: Path, *, force: bool = False) -> int:
    """Write the site into `folder`; returns how many files it now has of us. Raises UsageError, OutputError.

    Where others have files of the same names nothing at all is written, unless `force` gives them up.
    """
    files = dict(_files(context))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _manifest(folder)
        if not force:
            _spare(folder, files, before)
        return _bring(folder, files, before)
    except OSError as error:
        raise unwritable(folder, error) from error


# --- what is written ------------------------------------------------------------------------------


def _files(context: WebContext) -> Iterator[tuple[str, Content]]:
    """Every file by its path below the folder; its content is made when it is asked for."""
    view = View(context.settings, static=True)
    for path in context.publications.etags():
        yield path, partial(_publication, context, path)
    for path, page in _pages(context, Pages(context, view)):
        yield path, partial(_encoded, page)
    for asset in view.assets.values():
        yield asset.path, partial(bytes, asset.body)
    yield "opml", partial(opml, context.settings())
    yield "robots.txt", ROBOTS.encode


def _publication(context: WebContext, path: str) -> bytes | None:
    publication = context.publications.get(path)
    return publication.body if publication else None


def _encoded(page: Callable[[], str]) -> bytes:
    return page().encode()


def _pages(context: WebContext, pages: Pages) -> Iterator[tuple[str, Callable[[], str]]]:
    front = listing(context.stories, None)
    stories = {story.id: story for story in front.stories} | _channel_stories(context)
    yield "index.html", partial(pages.front, front)
    yield "404.html", pages.missing
    yield "channels/index.html", pages.channels
    yield "feeds/index.html", pages.feeds
    related = context.folds.related(stories.values())
    for story in stories.values():
        written = [other for other in related.get(story.id, ()) if other.id in stories]
        yield f"stories/{story.id}/index.html", partial(pages.story, story, written)
    for state in context.feeds.states():
        own = _of_feed(state.feed.id, stories)
        yield f"feeds/{state.feed.id}/index.html", partial(pages.feed, state.feed.id, own)
    yield from _archive(context, pages)


def _archive(context: WebContext, pages: Pages) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "newsletters/index.html", pages.newsletters
    for letter in context.settings().newsletters:
        folder, issues = f"newsletters/{letter.id}", tuple(context.newsletters.issues(letter.id))
        yield f"{folder}/index.html", partial(pages.newsletter, letter.id, Archive(issues=issues, newest=True))
        for issue in issues:
            yield f"{folder}/{issue.number}/index.html", partial(_letter, context, letter.id, issue.number)


def _letter(context: WebContext, newsletter_id: str, number: int) -> str:
    issue = context.newsletters.issue(newsletter_id, number)
    assert issue is not None  # noqa: S101 (it was listed, and issues are never deleted)
    return public_file(issue, context.settings().site)


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


def _spare(folder: Path, files: Mapping[str, Content], before: Mapping[str, str]) -> None:
    """Raise UsageError when a file would be written over that is neither in the manifest nor as we would write it."""
    for path, content in files.items():
        file = folder / path
        if path not in before and file.is_file() and file.read_bytes() != content():
            raise UsageError(f"{file} is not of ours: move it away, name another folder, or give --force")


def _bring(folder: Path, files: Mapping[str, Content], before: Mapping[str, str]) -> int:
    """Write what is new and remove what is old; cut short, the manifest still knows all that is ours."""
    ours = dict(before)
    try:
        for path, make in files.items():
            if (content := make()) is not None:
                ours[path] = _write(folder / path, content)
        for path in before.keys() - files.keys():
            _remove(folder, path, ours.pop(path))
    finally:
        _write(folder / MANIFEST, json.dumps(ours, indent=0, sort_keys=True).encode() + b"\n")
    return len(ours)


def _manifest(folder: Path) -> Mapping[str, str]:
    """Hash by path of what the last export wrote; after a damaged one nothing counts as ours."""
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
