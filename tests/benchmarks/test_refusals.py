"""The cost of a 503: each request is one, of the kind that its row says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from benchmarks import refusals
from benchmarks.child import Child
from benchmarks.harness import Effort
from benchmarks.web.refusing import ACCEPTS, KINDS, SIZES, WORKER, alias_of
from redis_pool_ext.embedded import EmbeddedRedis

LEAST = Effort(rounds=1, seconds=0.05, factor=0.01)
FULL = {"queue full", "timed out"}  # the others are down, or closed
TYPES = {"text": "text/plain", "HTML": "text/html", "JSON": "application/problem+json"}


@pytest.fixture(scope="module", params=["django", "flask"])
def application(request) -> Iterator[Child]:
    with EmbeddedRedis() as server, Child(WORKER, request.param, server.url) as child:
        yield child


@pytest.mark.parametrize("client", ACCEPTS)
@pytest.mark.parametrize(("kind", "size"), list(product(KINDS, SIZES)))
def test_each_pool_refuses_each_client_in_its_words(application, kind, size, client):
    """Nothing is quick because it is something else than a 503."""
    path = f"/{alias_of(kind, size)}"
    status, headers, body = application.ask("page", path=path, accept=ACCEPTS[client])

    assert status[:3] == "503"
    assert headers["Content-Type"].startswith(TYPES[client])
    assert int(headers["Retry-After"]) >= 1
    assert ("Too much is going on right now" in body) == (kind in FULL)


def test_request_that_is_taken_off_needs_no_redis(application):
    """It is the framework's own cost."""
    status, _headers, body = application.ask("page", path="/plain", accept="*/*")

    assert (status, body) == ("200 OK", "")


def test_rows_are_of_each_framework_size_and_kind():
    """What is added is less than the whole request."""
    result = refusals.measure(LEAST)

    groups = [f"{name}, {size} connections" for name in ("Django", "Flask") for size in SIZES]
    assert [(row.group, row.name) for row in result.rows] == list(product(groups, KINDS))
    for row in result.rows:
        assert row.values["HTML"] < row.values["request"]
    assert [target.limit for target in result.targets] == [refusals.LIMIT] * 2
