"""Processes that answer, and what a command says of them."""

from __future__ import annotations

from importlib.util import find_spec

from ..support.desks import place

__all__ = ["place"]

# The doors need their frameworks, and the tables need rich.
collect_ignore = [
    f"test_with_{framework}.py" for framework in ("django", "flask") if find_spec(framework) is None
]
