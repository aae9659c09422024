"""`block`: what holds for a `with` block, or for each call of a function that it decorates."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from typing import Any, Generic, ParamSpec, TypeVar

__all__ = ["Block", "block"]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Block(Generic[T]):
    """A context manager, a decorator, and both for coroutines; it can be used again.

    `async with` does the same as `with`, which works in coroutines as well: nothing here
    waits for an event loop.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[T]], name: str) -> None:
        self._begin = begin
        self._name = name
        self._entered: list[AbstractContextManager[T]] = []

    def __enter__(self) -> T:
        running = self._begin()
        value = running.__enter__()
        self._entered.append(running)
        return value

    def __exit__(self, *exc: Any) -> bool | None:
        return self._entered.pop().__exit__(*exc)

    async def __aenter__(self) -> T:
        return self.__enter__()

    async def __aexit__(self, *exc: Any) -> bool | None:
        return self.__exit__(*exc)

    def __call__(self, function: F) -> F:
        """Return `function`, each call of it in a block of its own."""
        is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if isinstance(function, type) or not callable(function) or is_generator:
            raise TypeError(
                f"{self._name}() decorates functions and coroutine functions, not {function!r}; "
                "elsewhere write `with`"
            )
        decorated = self._around_coroutine if _is_coroutine(function) else self._around
        return decorated(function)  # type: ignore[return-value]

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def in_block(*args: Any, **kwargs: Any) -> Any:
            with self._begin():
                return function(*args, **kwargs)

        return in_block

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def in_block(*args: Any, **kwargs: Any) -> Any:
            with self._begin():
                return await function(*args, **kwargs)

        return in_block


def _is_coroutine(function: object) -> bool:
    return inspect.iscoroutinefunction(function)


def block(generator: Callable[P, Iterator[T]]) -> Callable[P, Block[T]]:
    """Make a `Block` of a generator function that yields once, as `contextmanager` does."""
    begin = contextmanager(generator)

    @wraps(generator)
    def made(*args: P.args, **kwargs: P.kwargs) -> Block[T]:
        # Wrong arguments are told here, and not where the block begins.
        inspect.signature(generator).bind(*args, **kwargs)
        return Block(partial(begin, *args, **kwargs), generator.__name__)

    return made
