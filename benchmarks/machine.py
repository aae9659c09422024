"""On what was measured: the machine and the versions; no names of hosts, no paths."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import redis

from redis_pool_ext.embedded import EmbeddedRedis

__all__ = ["describe"]

PACKAGES = (
    "redis-pool-ext",
    "redis",
    "hiredis",
    "Django",
    "Flask",
    "django-redis",
    "flask-redis",
    "psycopg-pool",
    "coredis",
    "valkey-glide",
)


def describe() -> dict[str, str]:
    """Return what and its version, in the order to be shown."""
    found = {
        "processor": _processor(),
        "cores": str(_cores()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": _python(),
        "redis-server": _server(),
    }
    return found | {name: text for name in PACKAGES if (text := _version(name))}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _python() -> str:
    free = " free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.implementation.name} {platform.python_version()}{free}"


def _server() -> str:
    with EmbeddedRedis() as server, redis.Redis(host=server.host, port=server.port) as admin:
        info: Any = admin.info("server")
    return str(info["redis_version"])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
