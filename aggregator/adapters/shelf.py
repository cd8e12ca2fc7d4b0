"""Publications in memory, for who writes them as files and leaves those that are served alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from aggregator.model.channel import Publication


class Shelf:
    """`ports.PublicationStore` in a dictionary."""

    def __init__(self) -> None:
        self._stored: dict[str, Publication] = {}

    def put(self, publications: Sequence[Publication]) -> int:
        """Store those whose ETag differs from the stored one; returns how many."""
        changed = [new for new in publications if new.etag != self.etags().get(new.path)]
        for new in changed:
            if old := self._stored.get(new.path):
                new = replace(new, last_modified=max(new.last_modified, old.last_modified + timedelta(seconds=1)))
            self._stored[new.path] = new
        return len(changed)

    def get(self, path: str) -> Publication | None:
        """The publication at this path."""
        return self._stored.get(path)

    def etags(self) -> Mapping[str, str]:
        """ETag by path, for every stored publication."""
        return {path: publication.etag for path, publication in self._stored.items()}

    def prune(self, paths: Collection[str]) -> int:
        """Delete every publication whose path is not one of `paths`; returns how many."""
        gone = self._stored.keys() - set(paths)
        for path in gone:
            del self._stored[path]
        return len(gone)
