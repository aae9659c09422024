"""One finished run per framework; and what is not collected where there is none.

A missing rich or waitress beside a framework hides nothing: those tests then fail, and
say what to install.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from redis_pool_ext.demo.interrupts import SIGNALS

from .process import DemoProcess

FRAMEWORKS = [name for name in ("django", "flask") if find_spec(name) is not None]
SHOWS = ("burst", "fallback", "play", "screen", "serving")  # need rich or waitress

collect_ignore = [
    f"test_with_{name}.py" for name in ("django", "flask") if name not in FRAMEWORKS
] + [f"test_{name}.py" for name in SHOWS if not FRAMEWORKS]


@pytest.fixture(scope="class")
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoProcess]:
    """One run of `demo --once`, to its end, with the framework that the test class names."""
    framework = request.cls.framework
    folder = tmp_path_factory.mktemp("once")
    with DemoProcess(folder, "demo", "--once", "--framework", framework) as demo:
        demo.ends()
        yield demo


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Put the signals back as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
