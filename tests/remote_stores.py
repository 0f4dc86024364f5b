"""A bucket, a web server, and a store that lies in both: fixtures, as a plugin of conftest.py."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bucket
import pytest
import tiny
from bucket import Bucket, Ranges, web
from upath import UPath

from compute.errors import Notice
from compute.store.manifest import MANIFEST
from compute.store.opening import Store
from compute.store.places import remote

SMALL: dict[str, Any] = {"explainers": ("saliency", "random")}


@pytest.fixture(scope="session")
def s3() -> Iterator[Bucket]:
    with bucket.served() as made:
        yield made


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of three photos, here. Not to be changed."""
    return tiny.published(tmp_path_factory.mktemp("local") / "store", 3, **SMALL)


@pytest.fixture(scope="session")
def sent(s3: Bucket, local: Store) -> str:
    """The same store in the bucket."""
    remote.send(Path(str(local.path)), UPath("s3://bucket/boards/sent", use_listings_cache=False), last=MANIFEST)
    return "s3://bucket/boards/sent"


@pytest.fixture
def site(local: Store) -> Iterator[tuple[str, type[Ranges]]]:
    """A web server over the store, and what it is asked."""
    with web(Path(str(local.path))) as (address, handler):
        yield address, handler


@pytest.fixture
def loud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A notice that no test expects fails it; nothing is waited for."""
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        yield
