"""docs/health.md: its code runs, and what it says of states and settings is so."""

from __future__ import annotations

import ast
import re

import pytest

from redis_pool_ext.status.policy import BAD, GOOD, HealthPolicy

from ..support.pages import DOCS, README, block_with, blocks, load, project, run

PAGE = DOCS / "health.md"


def states() -> dict[str, str]:
    """Return what the table says of each state: whether a pool is ready in it."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", PAGE.read_text(), re.MULTILINE)
    return dict(rows)


def test_page_has_every_state():
    """And says which of them are good."""
    assert states() == dict.fromkeys(GOOD, "yes") | dict.fromkeys(BAD, "no")


def test_settings_are_those_that_there_are():
    """With the defaults that the page says; `POOLS` and `DEGRADED` have none to show."""
    settings: dict[str, object] = {}
    exec(block_with(PAGE, "REDIS_POOL_HEALTH = {"), settings)
    policy = HealthPolicy.read(settings["REDIS_POOL_HEALTH"])
    assert (policy.timeout, policy.details) == (HealthPolicy().timeout, HealthPolicy().details)
    assert policy.degraded == {"unreachable"}


ASK = """
exec({urls!r})
from django.urls import clear_url_caches
clear_url_caches()
sys.modules["urls"].urlpatterns = urlpatterns
for probe in {probes!r}:
    print(Client().get(probe).status_code)
"""


def test_views_of_django_are_where_the_probes_look(url):
    """The snippet for Kubernetes asks for what the snippet for Django has."""
    pytest.importorskip("django")
    probes = re.findall(r"^ +path: (\S+)$", PAGE.read_text(), re.MULTILINE)
    then = ASK.format(urls=block_with(PAGE, "# urls.py"), probes=probes)
    settings = block_with(README, "# settings.py") + block_with(PAGE, "# settings.py")
    program = project(settings, "from django.http import HttpResponse as index", then)
    assert run(program, url).splitlines()[-2:] == ["200", "200"]


def test_app_of_flask_answers_as_the_page_says(url):
    """Word for word."""
    pytest.importorskip("flask")
    block = block_with(PAGE, "print(app")
    app = load(block_with(PAGE, "register_blueprint"), url)["app"]
    call, said = re.fullmatch(r"print\((.*)\) +# (.*)\n", block).groups()
    assert eval(call, {"app": app}) == ast.literal_eval(said.strip())


def test_no_block_is_left_out():
    """All of them are run above."""
    assert len(blocks(PAGE)) == 4
    assert len(blocks(PAGE, "yaml")) == 1
