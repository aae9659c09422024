"""Every check: the wrong setting, its id, what it says and what it advises."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.checks import Error, Warning, run_checks
from django.core.management import call_command

from redis_pool_ext.django.checks import TAG
from redis_pool_ext.django.misspelt import KNOWN
from tests.support.pages import DOCS

OURS = "redis_pool_ext.django.middleware.RedisPoolMiddleware"
DERIVED = "tests.django_wing.project.middleware.Derived"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
URL = "redis://someone:s3cret@localhost:6379/0"
MISSING = object()


def found(settings: Any, pools: Any) -> list[Any]:
    if pools is MISSING:
        del settings.REDIS_POOLS
    else:
        settings.REDIS_POOLS = pools
    return run_checks(tags=[TAG])


@pytest.mark.parametrize(
    ("pools", "code", "message", "hint"),
    [
        ({"default": {"URL": URL, "TIMEOT": 1}}, "E001", "['TIMEOT']: is not a", "'TIMEOUT'?"),
        ({"default": {"URL": URL, "TIMEOUT": "1"}}, "E002", "['TIMEOUT']: '1' is not", "convert"),
        (URL, "E002", "REDIS_POOLS: 'redis://***@localhost", "as in {'default': "),
        ({"default": {"URL": URL, "MAX_CONNECTIONS": 0}}, "E003", "0 is too small", "least is 1"),
        ({"default": {"URL": URL, "HOLD": "reqest"}}, "E003", "['HOLD']: 'reqest'", "'request'"),
        ({"default": {"URL": URL, "OPTIONS": {"db": 5}}}, "E004", "contradicts", "one place"),
        ({"default": {"URL": URL, "OPTIONS": {"password": "x"}}}, "E004", "contradicts", "one"),
        ({"default": {}}, "E005", "['URL']: is missing", "as in redis://localhost:6379/0"),
        ({"default": URL.replace("redis", "http")}, "E006", "'http://***@localhost", "redis://"),
        ({"default": {"URL": URL, "OPTIONS": {"hots": 1}}}, "E007", "['hots']: is not", "'host'"),
        (MISSING, "E009", "REDIS_POOLS: is missing", "REDIS_POOLS = {'default': 'redis://"),
        ({"reports": URL}, "E010", "REDIS_POOLS: has no 'default'", "request.redis"),
    ],
)
def test_wrong_setting_is_reported(
    settings: Any, pools: Any, code: str, message: str, hint: str
) -> None:
    """Each mistake has its id, names the setting, gives a hint, and shows no password."""
    [problem] = found(settings, pools)
    assert isinstance(problem, Error)
    assert problem.id == f"redis_pool_ext.{code}"
    assert message in problem.msg
    assert hint in problem.hint
    assert "s3cret" not in str(problem)


def test_several_mistakes_are_reported_at_once(settings: Any) -> None:
    """Whoever corrects settings sees all that there is to correct."""
    problems = found(settings, {"default": {"URL": URL, "TIMEOT": 1, "MAX_CONNECTIONS": 0}})
    assert {problem.id for problem in problems} == {"redis_pool_ext.E001", "redis_pool_ext.E003"}


@pytest.mark.parametrize("ours", [OURS, DERIVED])
def test_session_middleware_before_ours_is_a_warning(settings: Any, ours: str) -> None:
    """What stands before ours is outside the lease; that works, but costs connections."""
    settings.MIDDLEWARE = [SESSIONS, "tests.django_wing.project.middleware.uses_redis", ours]
    [problem] = run_checks(tags=[TAG])
    assert isinstance(problem, Warning)
    assert problem.id == "redis_pool_ext.W001"
    assert problem.msg == f"MIDDLEWARE: {SESSIONS} stands before RedisPoolMiddleware"
    assert f"put {OURS!r} first" in problem.hint


@pytest.mark.parametrize("middleware", [[], [SESSIONS], ["no.such.middleware"]])
def test_project_without_the_middleware_needs_no_default(
    settings: Any, middleware: list[str]
) -> None:
    """Commands and tasks may do with pools of any name."""
    settings.MIDDLEWARE = middleware
    assert found(settings, {"reports": URL}) == []


def test_project_that_left_the_middleware_out_is_warned(settings: Any) -> None:
    """A pool is called "default", and no request will have its client."""
    settings.MIDDLEWARE = [SESSIONS]
    [problem] = found(settings, {"default": URL})
    assert (type(problem), problem.id) == (Warning, "redis_pool_ext.W009")
    assert f"put {OURS!r} first" in problem.hint


def test_good_settings_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """`manage.py check` has nothing to say about the project of these tests."""
    call_command("check", "--fail-level", "WARNING")
    assert "no issues" in capsys.readouterr().out


CACHE = "redis_pool_ext.django.cache.RedisPoolCache"


def found_in_caches(settings: Any, **entry: Any) -> list[Any]:
    settings.CACHES = {"default": {"BACKEND": CACHE, **entry}}
    return found(settings, {"default": URL, "reports": URL})


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ({"LOCATION": "report"}, "['LOCATION']: 'report' is no entry of", "mean 'reports'?"),
        ({"LOCATION": URL}, "['LOCATION']: 'redis://***@localhost", "name an entry of REDIS_POOLS"),
        ({"OPTIONS": {"SERIALISER": 1}}, "['OPTIONS']['SERIALISER']: is not", "'SERIALIZER'?"),
        ({"OPTIONS": None}, "['OPTIONS']: None is not a mapping", "leave it out"),
    ],
)
def test_wrong_cache_is_reported(
    settings: Any, entry: dict[str, Any], message: str, hint: str
) -> None:
    """By the name that it has in CACHES, and without a password."""
    [problem] = found_in_caches(settings, **entry)
    assert (type(problem), problem.id) == (Error, "redis_pool_ext.E011")
    assert problem.msg.startswith(f"CACHES['default']{message}")
    assert hint in problem.hint
    assert "s3cret" not in str(problem)


def test_wrong_cache_does_not_end_the_check(settings: Any) -> None:
    """Django's own checks make each cache, before or after ours has looked at its entry."""
    settings.REDIS_POOLS = {"default": URL}
    settings.CACHES = {"default": {"BACKEND": CACHE, "OPTIONS": {"SERIALISER": "json"}}}

    assert "redis_pool_ext.E011" in [problem.id for problem in run_checks()]


@pytest.mark.parametrize("entry", [{}, {"LOCATION": "reports"}])
def test_right_cache_is_not_reported(settings: Any, entry: dict[str, Any]) -> None:
    """LOCATION may be left out."""
    assert found_in_caches(settings, **entry) == []


@pytest.mark.parametrize("backend", ["django.core.cache.backends.locmem.LocMemCache", "no.such"])
def test_cache_of_somebody_else_is_left_alone(settings: Any, backend: str) -> None:
    """Django itself says what is wrong with it."""
    assert found_in_caches(settings, BACKEND=backend, OPTIONS={"MAX_ENTRIES": 1}) == []


def with_sessions(settings: Any, engine: str, backend: str = CACHE) -> list[Any]:
    settings.SESSION_ENGINE = engine
    return found_in_caches(settings, BACKEND=backend)


DJANGOS_ENGINE = "django.contrib.sessions.backends.cache"


def test_session_engine_that_logs_visitors_out_is_reported(settings: Any) -> None:
    """It swallows what the cache raises."""
    [problem] = with_sessions(settings, DJANGOS_ENGINE)
    assert (type(problem), problem.id) == (Warning, "redis_pool_ext.W002")
    assert "redis_pool_ext.django.sessions" in problem.hint


@pytest.mark.parametrize("place", ["OPTIONS", "setting"])
def test_session_engine_on_django_redis_and_our_pool_is_reported(settings: Any, place: str) -> None:
    """Wherever django-redis is told where its clients come from."""
    factory = "redis_pool_ext.django.factory.ConnectionFactory"
    settings.SESSION_ENGINE = DJANGOS_ENGINE
    entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "default"}
    if place == "setting":
        settings.DJANGO_REDIS_CONNECTION_FACTORY = factory
    else:
        assert found_in_caches(settings, **entry) == []
        entry["OPTIONS"] = {"CONNECTION_FACTORY": factory}  # type: ignore[assignment]
    [problem] = found_in_caches(settings, **entry)
    assert problem.id == "redis_pool_ext.W002"


@pytest.mark.parametrize(
    "engine", ["redis_pool_ext.django.sessions", "django.contrib.sessions.backends.cached_db"]
)
def test_other_session_engine_is_not_reported(settings: Any, engine: str) -> None:
    """Ours tells the truth; with the database behind it there is somebody else to ask."""
    assert with_sessions(settings, engine) == []


def test_session_engine_on_somebody_elses_cache_is_not_reported(settings: Any) -> None:
    """It is not ours that nobody can reach."""
    locmem = "django.core.cache.backends.locmem.LocMemCache"
    assert with_sessions(settings, DJANGOS_ENGINE, locmem) == []


def test_project_without_sessions_is_not_reported(settings: Any) -> None:
    """The engine is a default that nobody uses then."""
    settings.MIDDLEWARE = [OURS]
    assert with_sessions(settings, DJANGOS_ENGINE) == []


@pytest.mark.parametrize(
    ("policy", "message", "hint"),
    [
        ({"POLS": ["default"]}, "REDIS_POOL_HEALTH: 'POLS' is not known", "'POOLS'?"),
        ({"POOLS": ["defualt"]}, "['POOLS']: 'defualt' is no entry of REDIS_POOLS", "'default'?"),
        ("default", "REDIS_POOL_HEALTH: 'default' is not a mapping", "give one"),
    ],
)
def test_wrong_health_policy_is_reported(
    settings: Any, policy: Any, message: str, hint: str
) -> None:
    """Before a probe is answered with an error."""
    settings.REDIS_POOL_HEALTH = policy
    [problem] = found(settings, {"default": URL})
    assert (type(problem), problem.id) == (Error, "redis_pool_ext.E012")
    assert message in problem.msg
    assert hint in problem.hint


def test_right_health_policy_is_not_reported(settings: Any) -> None:
    """With pools that there are."""
    settings.REDIS_POOL_HEALTH = {"POOLS": ["default"], "DEGRADED": ["unreachable"]}
    assert found(settings, {"default": URL}) == []


@pytest.mark.parametrize("threads", ["8", 0, True, 2.5])
def test_wrong_number_of_threads_is_reported(settings: Any, threads: Any) -> None:
    """Else nothing would be compared with it, in silence."""
    settings.REDIS_POOL_THREADS = threads
    [problem] = found(settings, {"default": URL})
    assert problem.id == "redis_pool_ext.E013"
    assert problem.msg.startswith("REDIS_POOL_THREADS: ")


@pytest.mark.parametrize("timing", ["yes", None, 1])
def test_wrong_server_timing_is_reported(settings: Any, timing: Any) -> None:
    """Before the middleware refuses to load."""
    settings.REDIS_POOL_SERVER_TIMING = timing
    [problem] = found(settings, {"default": URL})
    assert (type(problem), problem.id) == (Error, "redis_pool_ext.E014")
    assert problem.msg.startswith("REDIS_POOL_SERVER_TIMING: ")


def test_middleware_that_is_listed_twice_is_a_warning(settings: Any) -> None:
    """Also as a class that is made from ours: a request would have two connections."""
    settings.MIDDLEWARE = [OURS, SESSIONS, DERIVED]
    [problem] = run_checks(tags=[TAG])
    assert (type(problem), problem.id) == (Warning, "redis_pool_ext.W007")
    assert DERIVED in problem.msg


@pytest.mark.parametrize("odd", [None, 0, b"x", [], [None], {"default": None}], ids=repr)
@pytest.mark.parametrize(
    "settings_with",
    [
        lambda odd: {"MIDDLEWARE": odd},
        lambda odd: {"MIDDLEWARE": [odd, SESSIONS]},
        lambda odd: {"CACHES": {"default": odd}},
        lambda odd: {"CACHES": {"default": {"BACKEND": odd}}},
        lambda odd: {"CACHES": {"default": {"BACKEND": CACHE, "LOCATION": odd}}},
        lambda odd: {"CACHES": {"default": {"BACKEND": CACHE, "OPTIONS": odd}}},
        lambda odd: {"SESSION_CACHE_ALIAS": odd},
        lambda odd: {"REDIS_POOL_HEALTH": odd},
        lambda odd: {"REDIS_POOL_THREADS": odd},
        lambda odd: {"REDIS_POOL_SERVER_TIMING": odd},
    ],
)
def test_setting_of_an_odd_type_stops_no_check(settings: Any, odd: Any, settings_with: Any) -> None:
    """What is not ours Django reports, or whoever needs it; the other checks go on."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.MIDDLEWARE = [SESSIONS]
    for name, value in settings_with(odd).items():
        setattr(settings, name, value)

    assert isinstance(run_checks(tags=[TAG], include_deployment_checks=True), list)


@pytest.mark.parametrize(
    ("location", "options", "said"),
    [
        (URL, {"SOCKET_TIMEOUT": 1}, "SOCKET_TIMEOUT would have no effect"),
        ("redis://u:s3cret@elsewhere/0", {}, "'redis://***@elsewhere/0' is no alias or URL"),
        (["default", "report"], {}, "'report' is no alias or URL"),
    ],
)
def test_django_redis_that_the_factory_would_refuse_is_reported(
    settings: Any, location: Any, options: dict[str, Any], said: str
) -> None:
    """Before the first visitor meets it; by its name in CACHES, and without a password."""
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "redis_pool_ext.django.factory.ConnectionFactory"
    backend = {"BACKEND": "django_redis.cache.RedisCache"}
    settings.CACHES = {"old": {**backend, "LOCATION": location, "OPTIONS": options}}

    [problem] = found(settings, {"default": URL})
    assert (type(problem), problem.id) == (Error, "redis_pool_ext.E017")
    assert problem.msg.startswith("CACHES['old']: ")
    assert said in problem.msg
    assert "s3cret" not in str(problem)


def test_django_redis_that_the_factory_takes_is_not_reported(settings: Any) -> None:
    """By alias or URL; and without the factory it is not our business."""
    backend = {"BACKEND": "django_redis.cache.RedisCache"}
    ours = {"CONNECTION_FACTORY": "redis_pool_ext.django.factory.ConnectionFactory"}
    settings.CACHES = {
        "alias": {**backend, "LOCATION": "default", "OPTIONS": ours},
        "url": {**backend, "LOCATION": URL, "OPTIONS": ours},
        "theirs": {**backend, "LOCATION": "redis://elsewhere", "OPTIONS": {"PASSWORD": "x"}},
    }

    assert found(settings, {"default": URL}) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [("REDIS_POOL_BUDGT", "REDIS_POOL_BUDGET"), ("REDIS_POOL_THREAD", "REDIS_POOL_THREADS")],
)
def test_setting_that_is_nearly_ours_is_reported(settings: Any, name: str, meant: str) -> None:
    """Nothing reads it, and nothing else would say so."""
    setattr(settings, name, 2)

    [problem] = found(settings, {"default": URL})
    assert (type(problem), problem.id) == (Warning, "redis_pool_ext.W010")
    assert problem.msg.startswith(f"{name}: ")
    assert repr(meant) in problem.hint


def test_pools_under_a_wrong_name_are_missed_and_found(settings: Any) -> None:
    """The error says what is missing, the warning what is there instead."""
    settings.REDIS_POOL = {"default": URL}

    assert {problem.id[-4:] for problem in found(settings, MISSING)} == {"E009", "W010"}


@pytest.mark.parametrize("name", ["REDIS_POOL", "REDIS_POOL_SIZE", "REDIS_URL", "REDIS_HOST"])
def test_setting_of_the_projects_own_is_left_alone(settings: Any, name: str) -> None:
    """It is like none of ours, or the one that it is like is set as well."""
    setattr(settings, name, 2)

    assert found(settings, {"default": URL}) == []


def test_every_setting_of_the_page_is_known() -> None:
    """And no other: docs/settings.md has those that there are."""
    page = (DOCS / "settings.md").read_text()
    headings = set(re.findall(r"^### `(REDIS_\w+)`", page, re.MULTILINE))
    assert {"REDIS_POOLS", *headings} - {"REDIS_POOL_STATUS_DIR"} == set(KNOWN)
