"""docs/answering-503.md: its code runs, and what it says of answers and numbers is so."""

from __future__ import annotations

import re

import pytest

from redis_pool_ext.books.circuit import BACKOFF_BASE, BACKOFF_CAP, FAILURES_TO_OPEN, HEAD_START
from redis_pool_ext.books.comeback import LONGEST
from redis_pool_ext.books.report import REPORT_EVERY
from redis_pool_ext.errors import PoolExhaustedError
from redis_pool_ext.http import answer
from redis_pool_ext.pooling.telling import LONG_WAIT

from ..support.pages import DOCS, README, block_with, blocks, project, run, said

PAGE = DOCS / "answering-503.md"

# A full pool warns, which is not what these are about.
QUIET = """
import logging
logging.getLogger("redis_pool_ext").addHandler(logging.NullHandler())
"""
HELD = (
    QUIET
    + """
from contextlib import ExitStack
with ExitStack() as stack:
    pool.timeout = 2.0
    for _ in range(pool.max_connections):
        stack.enter_context(pool.lease()).ping()
    pool.timeout = 0.0
    {ask}
"""
)


def test_text_is_what_is_sent():
    """To the letter."""
    (shown,) = blocks(PAGE, "text")
    assert shown == answer(PoolExhaustedError("", retry_after=2), None).body


def test_handler_of_django_answers(url):
    """In the README's project."""
    pytest.importorskip("django")
    views = "from django.http import HttpResponse\ndef index(request):\n" + (
        '    return HttpResponse(request.redis.incr("hits"))\n'
    )
    handler = f"exec({block_with(PAGE, 'def handler503')!r}, vars(urls))\n"
    ask = HELD.format(ask="r = Client().get('/'); print(r.content.decode(), r['Retry-After'])")
    then = f"{handler}from redis_pool_ext import get_pool\npool = get_pool()\n{ask}"

    printed = run(project(block_with(README, "# settings.py"), views, then), url)
    assert re.fullmatch(r"We are busy, back in (\d) s \1", printed.splitlines()[-1])


def test_handler_of_flask_answers(url):
    """The block is an application."""
    pytest.importorskip("flask")
    ask = HELD.format(ask="r = app.test_client().get('/'); print(r.text, r.headers['Retry-After'])")
    then = f"from redis_pool_ext import get_pool\nwith app.app_context(): pool = get_pool()\n{ask}"

    printed = run(block_with(PAGE, "@app.errorhandler") + then, url)
    assert re.fullmatch(r"We are busy, back in (\d) s \1\n", printed)


def test_task_has_the_number(url):
    """The comment shows what is printed."""
    block = block_with(PAGE, "error.retry_after in")
    assert run(QUIET + block, url).split() == said(block)


def test_numbers_are_those_of_the_code():
    """A change of one of them changes the page."""
    page = " ".join(PAGE.read_text().split())

    assert f"at least 1, at most {LONGEST}" in page
    assert FAILURES_TO_OPEN == 3
    assert "After three dials in a row" in page
    assert f"after {BACKOFF_BASE}, 0.2, 0.4 ... {BACKOFF_CAP:g} s" in page
    assert HEAD_START == 0.5
    assert "half a second late" in page
    assert f"a wait of over {LONG_WAIT} s" in page
    assert REPORT_EVERY == 1.0


def test_no_block_is_left_out():
    """All of them are run above."""
    assert len(blocks(PAGE)) == 3
