"""A test that is a coroutine function runs in an event loop of its own."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ..leaks.conftest import sites  # noqa: F401  the servers of the leak table


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    function: Any = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    wanted = inspect.signature(function).parameters
    asyncio.run(function(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """An address, with a password in it, where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield f"redis://someone:s3cret@127.0.0.1:{taken.getsockname()[1]}/0"
