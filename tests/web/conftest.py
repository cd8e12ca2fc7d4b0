"""The sample site, shared by tests that only read, or made anew for those that write."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from aggregator.web.app import create_app
from tests.web.sample_site import BASE, SampleSite, fill, open_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleSite]:
    """A filled site that no test of the module changes."""
    site = fill(open_site(tmp_path_factory.mktemp("site")))
    yield site
    site.database.close()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[SampleSite]:
    """A filled site of this test's own."""
    site = fill(open_site(tmp_path))
    yield site
    site.database.close()


@pytest.fixture
def client(site: SampleSite) -> Iterator[TestClient]:
    with TestClient(create_app(site.context), base_url=BASE, follow_redirects=False) as client:
        yield client
