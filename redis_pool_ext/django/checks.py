"""`manage.py check`: the settings, read without connecting to anything.

Ids are stable, and stand in docs/checks.md: `E001` to `E008` are those of `redis_pool_ext.config`,
`E011` and `E017` are about `CACHES`, `E012` to `E016` about settings of their own; `deployment.py`
has those of `--deploy`, `misspelt.py` the one about names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from ..config import Problem, find_problems
from ..problems import did_you_mean, shown
from ..status.policy import SETTING as HEALTH
from ..status.policy import find_problems as find_problems_of_health
from ..web.request_policy import find_problems as find_problems_of_requests
from ..web.server_timing import SETTING as TIMING
from ..web.server_timing import problem_of as problem_of_timing
from .cache import RedisPoolCache
from .cache.options import find_problems as find_problems_of_cache
from .deployment import THREADS
from .handover import SETTING
from .middleware import RedisPoolMiddleware
from .on_factory import find_problems as find_problems_of_django_redis
from .on_factory import is_on_factory

__all__ = [
    "TAG",
    "check_caches",
    "check_health",
    "check_middleware",
    "check_pools",
    "check_requests",
    "check_sessions",
    "check_threads",
    "check_timing",
]

TAG = "redis_pool_ext"

OURS = f"{RedisPoolMiddleware.__module__}.{RedisPoolMiddleware.__qualname__}"

_SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
_DJANGOS_ENGINE = "django.contrib.sessions.backends.cache"

# Those of Django that keep their data in Redis, where the project has it so.
_MAY_USE_REDIS = {
    _SESSIONS,
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
}


def check_pools(**_: Any) -> list[CheckMessage]:
    """Report what is wrong with `REDIS_POOLS`."""
    if not hasattr(settings, SETTING):
        hint = f"set it, as in {SETTING} = {{'default': 'redis://localhost:6379/0'}}"
        return [_error(Problem("E009", SETTING, "is missing", hint))]
    return [_error(problem) for problem in find_problems(getattr(settings, SETTING), SETTING)]


def check_middleware(**_: Any) -> list[CheckMessage]:
    """Report what keeps `request.redis` from working as it should."""
    listed = [(path, _ancestry(path)) for path in _middleware()]
    ours = next((n for n, (_, classes) in enumerate(listed) if OURS in classes), None)
    if ours is None:
        return _left_out()
    early = [path for path, classes in listed[:ours] if classes & _MAY_USE_REDIS]
    again = [path for path, classes in listed[ours + 1 :] if OURS in classes]
    return [*_no_default(), *map(_too_early, early), *map(_once_more, again)]


def check_caches(**_: Any) -> list[CheckMessage]:
    """Report what is wrong with those of `CACHES` that are ours, or on our pool."""
    pools = getattr(settings, SETTING, None)
    problems: list[Problem] = []
    for alias, entry in _caches().items():
        if _is_ours(entry):
            problems += find_problems_of_cache(alias, entry) or _no_pool(alias, entry, pools)
        elif is_on_factory(entry):
            problems += find_problems_of_django_redis(alias, entry)
    return list(map(_error, problems))


def check_sessions(**_: Any) -> list[CheckMessage]:
    """Report an engine that takes a cache without a connection for an empty one."""
    is_djangos = settings.SESSION_ENGINE == _DJANGOS_ENGINE
    entry = _caches().get(str(settings.SESSION_CACHE_ALIAS), {})
    if not (is_djangos and _has_sessions() and (_is_ours(entry) or is_on_factory(entry))):
        return []
    return [
        Warning(
            "SESSION_ENGINE: Django's own takes an exhausted pool for a session that has ended, "
            "and logs the visitor out",
            hint='write SESSION_ENGINE = "redis_pool_ext.django.sessions": it reads the same data',
            id="redis_pool_ext.W002",
        )
    ]


def check_health(**_: Any) -> list[CheckMessage]:
    """Report what is wrong with `REDIS_POOL_HEALTH`."""
    policy = getattr(settings, HEALTH, {})
    problems = find_problems_of_health(policy)
    pools = getattr(settings, SETTING, None)
    if not problems and isinstance(pools, Mapping):
        problems = [
            _no_such_pool(name, pools) for name in policy.get("POOLS") or () if name not in pools
        ]
    return list(map(_error, problems))


def check_threads(**_: Any) -> list[CheckMessage]:
    """Report a `REDIS_POOL_THREADS` that is no number of threads."""
    threads = getattr(settings, THREADS, None)
    if threads is None or (type(threads) is int and threads > 0):
        return []
    message = f"{shown(threads)} is not a number of threads"
    hint = "say with how many threads one process serves (gunicorn's --threads), or leave it out"
    return [_error(Problem("E013", THREADS, message, hint))]


def check_requests(**_: Any) -> list[CheckMessage]:
    """Report a `REDIS_POOL_BUDGET` that is no time, a `REDIS_POOL_EAGER` that is no yes or no."""
    found = find_problems_of_requests(lambda name, default: getattr(settings, name, default))
    return list(map(_error, found))


def check_timing(**_: Any) -> list[CheckMessage]:
    """Report a `REDIS_POOL_SERVER_TIMING` that is no yes or no."""
    problem = problem_of_timing(getattr(settings, TIMING, False))
    return [] if problem is None else [_error(problem)]


def _has_sessions() -> bool:
    return any(_SESSIONS in _ancestry(path) for path in _middleware())


def _caches() -> dict[str, Mapping[str, Any]]:
    """Return the entries that can be read; Django says what is wrong with the rest."""
    caches = settings.CACHES
    entries = caches.items() if isinstance(caches, Mapping) else ()
    return {alias: entry for alias, entry in entries if isinstance(entry, Mapping)}


def _is_ours(entry: Mapping[str, Any]) -> bool:
    try:
        backend = import_string(str(entry.get("BACKEND", "")))
    except ImportError:
        return False  # Django says so, when the cache is first used
    return isinstance(backend, type) and issubclass(backend, RedisPoolCache)


def _no_pool(alias: str, entry: Mapping[str, Any], pools: object) -> list[Problem]:
    name = entry.get("LOCATION") or "default"
    if not isinstance(pools, Mapping) or name in pools:
        return []  # or there is a worse error, which `check_pools` reports
    path = f"CACHES[{alias!r}]['LOCATION']"
    hint = f"known are {', '.join(sorted(map(str, pools)))}{did_you_mean(name, pools)}"
    return [Problem("E011", path, f"{name!r} is no entry of {SETTING}", hint)]


def _middleware() -> list[str]:
    """Return what is listed, as far as it can be read; Django says what is wrong with the rest."""
    listed = settings.MIDDLEWARE
    is_list = isinstance(listed, list | tuple)
    return [each for each in listed if isinstance(each, str)] if is_list else []


def _ancestry(path: str) -> set[str]:
    """Return the paths of a middleware's class and of those that it is made from."""
    try:
        middleware = import_string(path)
    except ImportError:
        return set()  # Django says so, when it loads the middleware
    classes = getattr(middleware, "__mro__", ())  # a middleware may be a function
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in classes}


def _no_default() -> list[CheckMessage]:
    pools = getattr(settings, SETTING, None)
    if not isinstance(pools, Mapping) or "default" in pools:
        return []  # or there is a worse error, which `check_pools` reports
    hint = "RedisPoolMiddleware puts its client on request.redis: name one of the pools 'default'"
    return [_error(Problem("E010", SETTING, "has no 'default'", hint))]


def _left_out() -> list[CheckMessage]:
    """Return a warning where a pool is called as the middleware wants it, for nothing."""
    pools = getattr(settings, SETTING, None)
    if not isinstance(pools, Mapping) or "default" not in pools:
        return []  # commands and tasks may do with pools of any name
    return [
        Warning(
            "MIDDLEWARE: RedisPoolMiddleware is not in it, so requests have no request.redis",
            hint=f"put {OURS!r} first; where no view uses Redis on purpose, silence this check",
            id="redis_pool_ext.W009",
        )
    ]


def _error(problem: Problem) -> CheckMessage:
    message = f"{problem.path}: {problem.message}"
    return Error(message, hint=problem.hint, id=f"redis_pool_ext.{problem.code}")


def _no_such_pool(name: str, pools: Mapping[str, Any]) -> Problem:
    hint = f"known are {', '.join(sorted(map(str, pools)))}{did_you_mean(name, pools)}"
    return Problem("E012", f"{HEALTH}['POOLS']", f"{name!r} is no entry of {SETTING}", hint)


def _once_more(path: str) -> CheckMessage:
    return Warning(
        f"MIDDLEWARE: {path} is RedisPoolMiddleware once more",
        hint="list it once, as the first: each one lends a request a connection of its own",
        id="redis_pool_ext.W007",
    )


def _too_early(path: str) -> CheckMessage:
    return Warning(
        f"MIDDLEWARE: {path} stands before RedisPoolMiddleware",
        hint=f"put {OURS!r} first: before it, each Redis command borrows a connection of its own",
        id="redis_pool_ext.W001",
    )
