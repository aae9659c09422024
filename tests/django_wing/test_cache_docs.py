"""docs/cache.md and the migration pages of Django: each followed word for word, on a project."""

from __future__ import annotations

import re

import pytest
import redis

from redis_pool_ext.django.cache.options import COMPRESS_MIN_LENGTH, KNOWN
from tests.support.pages import DOCS, README, block_with, blocks, project, run

CACHE = DOCS / "cache.md"
FROM_DJANGO_REDIS = DOCS / "migrating-from-django-redis.md"
FROM_DJANGO = DOCS / "migrating-from-djangos-redis-cache.md"

# A page of the project, which knows nothing of what its settings are.
VIEWS = """\
from django.core.cache import cache
from django.http import HttpResponse

def index(request):
    cache.add("hits", 0)
    hits = cache.incr("hits")
    visits = request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(f"{hits} {visits}")
"""
SESSIONS = """\
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
"""
ENGINE = 'SESSION_ENGINE = "redis_pool_ext.django.sessions"'
# One visitor, whose cookie outlives the change.
VISIT = """\
visitor = Client()
visitor.cookies["sessionid"] = {cookie!r}
print(visitor.get("/").content.decode(), visitor.cookies["sessionid"].value)
"""


def visit(url: str, settings: str, views: str = VIEWS, cookie: str = "") -> list[str]:
    """Visit the project, and return what the page says, and the visitor's cookie."""
    said = run(project(SESSIONS + settings, views, VISIT.format(cookie=cookie)), url)
    return said.splitlines()[-1].split()


def readme_settings() -> str:
    return block_with(README, "# settings.py")


@pytest.mark.parametrize(
    ("page", "steps"),
    [
        (FROM_DJANGO, ["after"]),
        (FROM_DJANGO_REDIS, ["with django-redis"]),
        (FROM_DJANGO_REDIS, ["after"]),
        (FROM_DJANGO_REDIS, ["with django-redis", "after"]),
    ],
)
def test_project_runs_before_and_after_and_keeps_its_data(url, page, steps):
    """The counter goes on, and the visitor stays logged in."""
    hits, visits, cookie = visit(url, block_with(page, "# settings.py, before"))
    assert (hits, visits) == ("1", "1")
    assert f"`{ENGINE}`" in page.read_text()
    for number, step in enumerate(steps, 2):
        settings = f"{block_with(page, f'# settings.py, {step}')}\n{ENGINE}"
        *figures, same = visit(url, settings, cookie=cookie)
        assert (figures, same) == ([str(number)] * 2, cookie)


def test_migrated_project_is_on_the_pool(url):
    """With either backend, what the server sees is one connection."""
    ask = """\
from redis_pool_ext import get_pool
Client().get("/")
stats = get_pool().stats()
print(stats.created, stats.acquired, stats.in_use)
"""
    for step in ("with django-redis", "after"):
        settings = f"{block_with(FROM_DJANGO_REDIS, f'# settings.py, {step}')}\n{ENGINE}"
        said = run(project(SESSIONS + settings, VIEWS, ask), url)
        assert said.splitlines()[-1] == "1 1 0"


@pytest.mark.parametrize("step", ["before", "after"])
def test_views_of_the_page_answer(url, step: str):
    """Before with django-redis, after on our backend; both leave the same in the database."""
    settings = block_with(FROM_DJANGO_REDIS, f"# settings.py, {step}")
    views = block_with(FROM_DJANGO_REDIS, f"# views.py, {step}")
    said = run(project(settings, views, "print(Client().get('/').content.decode())"), url)
    assert said.splitlines()[-1] == "hello 300"
    with redis.Redis.from_url(url) as client:
        assert sorted(client.keys()) == [b":1:greeting", b"visits"]


def test_no_block_of_a_migration_page_is_left_out():
    """Those that the tests above take are all that there are."""
    for page, number in ((FROM_DJANGO_REDIS, 5), (FROM_DJANGO, 2)):
        heads = [block.partition("\n")[0] for block in blocks(page)]
        assert len({*heads}) == len(heads) == number


def test_pages_settings_work_in_the_project(url):
    """The README's settings, with each of the page's own."""
    first, second = (block for block in blocks(CACHE) if block.startswith("# settings.py"))
    for settings in (first, second):
        assert visit(url, f"{readme_settings()}{settings}\n{ENGINE}")[0] == "1"
        with redis.Redis.from_url(url) as client:
            client.flushdb()


def test_pages_view_answers(url):
    """The methods that django-redis has as well."""
    settings = readme_settings() + blocks(CACHE)[0]
    views = block_with(CACHE, "# views.py")
    said = run(project(settings, views, "print(Client().get('/').content.decode())"), url)
    assert said.splitlines()[-1] == "['user:1', 'user:2'] 2 30"


def test_page_has_every_option_with_its_default():
    """One heading each."""
    text = CACHE.read_text()
    told = dict(re.findall(r"^### `([A-Z_]+)`: .*?Default: `([^`]+)`", text, re.M | re.S))
    assert told == {
        "SERIALIZER": '"pickle"',
        "COMPRESSOR": "None",
        "COMPRESS_MIN_LENGTH": str(COMPRESS_MIN_LENGTH),
    }
    assert tuple(told) == KNOWN
