"""`manage.py check --deploy`: what works, and is not for production."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Warning, run_checks
from redis import UsernamePasswordCredentialProvider

from redis_pool_ext.django.checks import TAG

ROOT = Path(__file__).parents[2]
OK = "redis://localhost:6379/0"


@pytest.fixture(autouse=True)
def _no_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)


def found(settings: Any, entry: Any, alias: str = "default") -> list[Any]:
    settings.REDIS_POOLS = {"default": OK, alias: entry}
    return run_checks(tags=[TAG], include_deployment_checks=True)


def ids(settings: Any, entry: Any, alias: str = "default") -> list[str]:
    return [each.id.partition(".")[2] for each in found(settings, entry, alias)]


def test_good_settings_pass(settings: Any) -> None:
    """On this machine, with the defaults."""
    assert found(settings, {"URL": OK, "OPTIONS": {"socket_timeout": 1.0}}) == []


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ("fakeredis://", "W003", "is a fake server"),
        ({"URL": OK, "OPTIONS": {"socket_timeout": None}}, "W004", "has no socket_timeout"),
        ("redis://:s3cret@cache.example.com:6379/0?socket_timeout=1", "W005", "in plain text"),
        (f"{OK}?socket_timeout=1&timeout=0", "W006", "has TIMEOUT 0"),
        (f"{OK}?socket_timeout=1&timeout=30", "W006", "has TIMEOUT 30"),
    ],
)
def test_setting_that_is_not_for_production_is_a_warning(
    settings: Any, entry: Any, code: str, message: str
) -> None:
    """It names the pool, gives a hint, and shows no password; other commands say nothing."""
    [problem] = found(settings, entry)
    assert isinstance(problem, Warning)
    assert problem.id == f"redis_pool_ext.{code}"
    assert problem.msg.startswith("REDIS_POOLS['default']: ")
    assert message in problem.msg
    assert problem.hint
    assert "s3cret" not in str(problem)
    assert run_checks(tags=[TAG]) == []


def test_timeout_of_the_connection_class_counts(settings: Any) -> None:
    """redis-py 8 has one where nothing is said, older ones had none."""
    from redis.connection import Connection

    class Patient(Connection):
        def __init__(self, *, socket_timeout: float | None = None, **kwargs: Any) -> None:
            super().__init__(socket_timeout=socket_timeout, **kwargs)

    options = {"connection_class": Patient}
    assert ids(settings, {"URL": OK, "OPTIONS": options}) == ["W004"]
    assert ids(settings, {"URL": OK, "OPTIONS": {**options, "socket_timeout": 2.0}}) == []


@pytest.mark.parametrize(
    "url",
    [
        "redis://:pw@10.1.2.3/0",
        "redis://:pw@redis/0",
        "redis+sentinel://u:pw@localhost,10.1.2.3/mymaster/0",
        "redis+cluster://:pw@node1,node2",
        "redis://:pw@[2001:db8::1]/0",
    ],
)
def test_password_over_a_network_is_reported(settings: Any, url: str) -> None:
    """A private one as well: whoever is in it can listen."""
    assert ids(settings, f"{url}?socket_timeout=1") == ["W005"]


@pytest.mark.parametrize(
    "url",
    [
        "rediss://:pw@cache.example.com/0",
        "rediss+sentinel://u:pw@host1,host2/mymaster/0",
        "redis://:pw@localhost/0",
        "redis://:pw@127.0.0.2/0",
        "redis://:pw@[::1]/0",
        "unix://:pw@/run/redis.sock",
        "redis://cache.example.com/0",
    ],
)
def test_password_that_nobody_can_read_is_not_reported(settings: Any, url: str) -> None:
    """TLS, this machine alone, or no password at all."""
    assert ids(settings, f"{url}?socket_timeout=1") == []


def test_password_of_a_provider_is_one(settings: Any) -> None:
    """Wherever it comes from."""
    options = {
        "credential_provider": UsernamePasswordCredentialProvider("me", "pw"),
        "socket_timeout": 1.0,
    }
    assert ids(settings, {"URL": "redis://cache/0", "OPTIONS": options}) == ["W005"]


def test_password_of_the_sentinels_is_one(settings: Any) -> None:
    """They are asked without TLS, unless it is said for themselves."""
    url = "rediss+sentinel://h1,h2/mymaster/0?socket_timeout=1"
    for sentinel, expected in (
        ({"password": "pw"}, ["W005"]),
        ({"password": "pw", "ssl": True}, []),
        ({}, []),
    ):
        assert ids(settings, {"URL": url, "OPTIONS": {"sentinel_kwargs": sentinel}}) == expected


@pytest.mark.parametrize(
    "line", ["--threads 8", "--threads=8", "--workers 2 --threads 4 --threads 8 --bind [::]:80"]
)
def test_threads_of_gunicorn_are_compared(
    settings: Any, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """With the connections of one process: each has its own pool."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", line)
    [problem] = found(settings, f"{OK}?max_connections=4&socket_timeout=1")
    assert problem.id == "redis_pool_ext.W008"
    assert "4 connections for 8 threads (GUNICORN_CMD_ARGS)" in problem.msg
    assert ids(settings, f"{OK}?max_connections=8&socket_timeout=1") == []


def test_setting_says_how_many_threads_there_are(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where gunicorn is told elsewhere, or it is another server."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--threads 2")
    settings.REDIS_POOL_THREADS = 17
    [problem] = found(settings, f"{OK}?socket_timeout=1")
    assert "16 connections for 17 threads (REDIS_POOL_THREADS)" in problem.msg


@pytest.mark.parametrize("line", ["", "--threads", "--threads many", "--threads '8", "--workers 9"])
def test_what_nobody_says_is_not_compared(
    settings: Any, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Nor what cannot be read."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", line)
    assert ids(settings, f"{OK}?max_connections=1&socket_timeout=1") == []


def test_pool_that_is_small_on_purpose_is_not_reported(settings: Any) -> None:
    """A bulkhead, or one that gives back after each command."""
    settings.REDIS_POOL_THREADS = 32
    small = {"URL": OK, "MAX_CONNECTIONS": 4}
    options = {"OPTIONS": {"socket_timeout": 1.0}}
    settings.REDIS_POOLS = {
        "default": {**small, **options, "HOLD": "command"},
        "reports": {**small, **options},
    }
    assert run_checks(tags=[TAG], include_deployment_checks=True) == []


def test_wrong_settings_are_left_to_their_own_check(settings: Any) -> None:
    """One error, and no guess about the rest."""
    assert ids(settings, {"URL": OK, "TIMEOT": 0}) == ["E001"]
    del settings.REDIS_POOLS
    [missing] = run_checks(tags=[TAG], include_deployment_checks=True)
    assert missing.id == "redis_pool_ext.E009"


def test_example_has_nothing_of_ours_to_report() -> None:
    """`manage.py check --deploy` there speaks of HTTPS only."""
    command = [sys.executable, "example_django/manage.py", "check", "--deploy"]
    env = {**os.environ, "REDIS_URL": OK, "DJANGO_SETTINGS_MODULE": "example_django.settings"}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=30
    )
    assert "security.W" in done.stderr
    assert "redis_pool_ext." not in done.stderr
