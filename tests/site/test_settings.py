"""docs/settings.md has every setting, its types and defaults are so, and its examples work."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.config import read_settings
from redis_pool_ext.settings.rules import POOL_RULES
from redis_pool_ext.settings.spelling import KEYS
from redis_pool_ext.status.folder import VARIABLE, folder
from redis_pool_ext.status.policy import SETTING as HEALTH
from redis_pool_ext.status.policy import HealthPolicy
from redis_pool_ext.web.request_policy import BUDGET, EAGER, RequestPolicy
from redis_pool_ext.web.server_timing import SETTING as SERVER_TIMING
from redis_pool_ext.web.server_timing import problem_of

from ..support.pages import DOCS, ROOT, blocks, headed_blocks

PAGE = DOCS / "settings.md"
SETTING = re.compile(r"^### `([A-Z_]+)`: ([^\n]+)\n\n(.*?)(?=\n#|\Z)", re.MULTILINE | re.DOTALL)
SETTINGS = {name: (kind, text) for name, kind, text in SETTING.findall(PAGE.read_text())}
EXAMPLES = {
    found[1]: block
    for heading, block in headed_blocks(PAGE)
    if (found := re.match(r"`([A-Z_]+)`", heading))
}


def value_of(name: str) -> Any:
    """Run the example of a setting, and return what it sets."""
    said: dict[str, Any] = {}
    exec(EXAMPLES[name], said)
    return said[name] if name in said else said["REDIS_POOLS"]


def test_page_has_every_setting_and_no_other():
    """One heading each: those of a pool, and those that stand anywhere in the package."""
    source = "".join(path.read_text() for path in (ROOT / "redis_pool_ext").rglob("*.py"))
    of_project = {
        name
        for name in re.findall(r"\bREDIS_POOL_[A-Z_]+\b", source)
        if not name.startswith("REDIS_POOL_EXT_")
    }

    assert SETTINGS.keys() == {*KEYS, *of_project}


@pytest.mark.parametrize("name", POOL_RULES)
def test_setting_is_told_with_type_default_and_reason(name: str):
    """The default is the constructor's, and the type allows for it."""
    kind, text = SETTINGS[name.upper()]
    default = inspect.signature(RedisPool.__init__).parameters[name].default
    shown = f'`"{default}"`' if isinstance(default, str) else str(default)

    assert re.search(rf"Default: {re.escape(shown)}[.,]", text), text
    assert type(default).__name__ in kind or (default is None and "None" in kind)
    assert len(re.sub(r"```.*?```", "", text.partition("Default: ")[2], flags=re.DOTALL)) > 60


@pytest.mark.parametrize("name", KEYS)
def test_example_of_a_pools_setting_sets_it_to_something_else(name: str):
    """It is a mapping that can be used, and the setting has not its default there."""
    config = read_settings(value_of(name))["default"]

    if name == "URL":
        assert config.options["path"] == "/run/redis.sock"
    elif name == "OPTIONS":
        assert {"socket_timeout", "client_name"} <= config.options.keys()
    else:
        default = inspect.signature(RedisPool.__init__).parameters[name.lower()].default
        assert getattr(config, name.lower()) != default


def read_request_policy(name: str, value: object) -> object:
    policy = RequestPolicy.read(lambda asked, default: value if asked == name else default)
    return policy.seconds if name == BUDGET else policy.eager


READERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    BUDGET: (lambda value: read_request_policy(BUDGET, value), 1.0),
    EAGER: (lambda value: read_request_policy(EAGER, value), True),
    HEALTH: (lambda value: HealthPolicy.read(value).pools, ("default",)),
    SERVER_TIMING: (lambda value: problem_of(value, SERVER_TIMING), None),
}


@pytest.mark.parametrize("name", READERS)
def test_example_of_a_projects_setting_is_taken(name: str):
    """By the reader that both wings have; Django's own are in tests/django_wing."""
    read, expected = READERS[name]

    assert read(value_of(name)) == expected


def test_variable_names_the_folder(monkeypatch):
    """What the example exports is where the processes meet."""
    (example,) = blocks(PAGE, "sh")
    name, _, place = example.removeprefix("export ").strip().partition("=")
    monkeypatch.setenv(name, place)

    assert name == VARIABLE
    assert str(folder()) == place


def test_first_example_is_two_pools():
    """A mapping and a URL alone."""
    said: dict[str, Any] = {}
    exec(blocks(PAGE)[0], said)
    configs = read_settings(said["REDIS_POOLS"])

    assert {alias: config.max_connections for alias, config in configs.items()} == {
        "default": 8,
        "reports": 4,
    }
