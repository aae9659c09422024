"""Who is asked for user name and password, at each dial, and how long it may take.

A password may be a function; redis-py has `CredentialProvider` for more. Either may ask a
vault that does not answer: it is asked in a thread, or a task, that nobody has to wait for
longer than for the dial itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from redis.credentials import CredentialProvider, UsernamePasswordCredentialProvider

from ..books.faults import CredentialsError, CredentialsLateError
from ..deadline import Deadline

__all__ = ["Asked", "PasswordFrom", "take_password_from"]

_WAY_OUT = "see to the `password` function or `credential_provider` in OPTIONS"


def take_password_from(arguments: dict[str, Any]) -> None:
    """Put a provider in the place of a password that is a function, in redis-py's arguments."""
    if callable(arguments.get("password")):
        provider = PasswordFrom(arguments.pop("password"), arguments.pop("username", None))
        arguments["credential_provider"] = provider


class PasswordFrom(CredentialProvider):
    """A function that returns the password, or a coroutine function that does, as a provider."""

    def __init__(self, ask: Callable[[], Any], username: str | None) -> None:
        self._ask = ask
        self._username = username

    def get_credentials(self) -> tuple[Any, ...]:
        """Call the function."""
        password = self._ask()
        if inspect.iscoroutine(password):
            password.close()
            raise TypeError("only a pool of tasks can await a password")
        return self._with_username(password)

    async def get_credentials_async(self) -> tuple[Any, ...]:
        """Await the coroutine function, or call the function beside the loop."""
        if inspect.iscoroutinefunction(self._ask):
            return self._with_username(await self._ask())
        password = await _beside_the_loop(self._ask)
        return self._with_username(await password if inspect.isawaitable(password) else password)

    def _with_username(self, password: Any) -> tuple[Any, ...]:
        return (password,) if self._username is None else (self._username, password)


class Asked(CredentialProvider):
    """What a connection has in a provider's place: it asks that, and checks what it says.

    Never a `StreamingCredentialProvider` to redis-py, which would register with it for each
    subscription, and later send AUTH in the middle of the next holder's replies: see
    rotation.py. `deadline` None: it may take its time. `note` is told what was said.
    """

    def __init__(
        self,
        provider: CredentialProvider,
        deadline: Deadline | None,
        note: Callable[[tuple[Any, ...]], None],
    ) -> None:
        self.provider = provider
        self._deadline = deadline
        self._note = note

    def get_credentials(self) -> Any:
        """Ask. Raises `CredentialsError`, `CredentialsLateError`."""
        ask = self.provider.get_credentials
        if self._deadline is None or _says_it_at_once(self.provider):
            return self._checked(_told(ask))
        question = _Question(ask)
        question.start()
        if not question.done.wait(self._deadline.remaining()):
            raise CredentialsLateError("no credentials before the dial's deadline", _WAY_OUT)
        return self._checked(_told(question.answer))

    async def get_credentials_async(self) -> Any:
        """Ask; the dial sees to its deadline. Raises `CredentialsError`."""
        provider = self.provider
        inherited = CredentialProvider.get_credentials_async
        try:
            if type(provider).get_credentials_async is inherited:  # which would hold up the loop
                credentials = await _beside_the_loop(provider.get_credentials)
            else:
                credentials = await provider.get_credentials_async()
        except Exception as error:
            _refuse(error)
        return self._checked(credentials)

    def _checked(self, credentials: Any) -> Any:
        """Return what redis-py can send: one or two texts, or nothing at all."""
        if not credentials:
            return credentials
        said = tuple(credentials) if isinstance(credentials, tuple | list) else (credentials,)
        self._note(said)
        kinds = ", ".join(type(each).__name__ for each in said)
        if len(said) > 2 or not isinstance(credentials, tuple | list):
            raise CredentialsError(f"a provider has returned ({kinds}), no pair", _WAY_OUT)
        if not all(isinstance(each, str | bytes) for each in said):
            raise CredentialsError(f"a provider has returned ({kinds}), not texts", _WAY_OUT)
        if not credentials[-1]:
            raise CredentialsError("a provider has returned an empty password", _WAY_OUT)
        return said


def _says_it_at_once(provider: CredentialProvider) -> bool:
    return type(provider) is UsernamePasswordCredentialProvider


def _told(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    """Raise what the dial is told in place of a provider's own error."""
    if isinstance(error, CredentialsError):
        raise error
    # Not its words: who fails to fetch a secret may quote it.
    message = f"the provider of the credentials raised {type(error).__name__}"
    raise CredentialsError(message, _WAY_OUT) from error


class _Question:
    """A call in a thread that nobody has to wait for; it sees the caller's context variables."""

    def __init__(self, ask: Callable[[], Any], on_done: Callable[[], None] | None = None) -> None:
        self._ask = ask
        self._context = contextvars.copy_context()
        self._on_done = on_done
        self._error: BaseException | None = None
        self._said: Any = None
        self.done = threading.Event()

    def start(self) -> None:
        try:
            threading.Thread(
                target=self._run, name="redis_pool_ext-credentials", daemon=True
            ).start()
        except RuntimeError:  # no new threads: the interpreter shuts down
            self._run()

    def answer(self) -> Any:
        """Return what it has returned, or raise what it has raised."""
        error, self._error = self._error, None
        if error is None:
            return self._said
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame

    def _run(self) -> None:
        try:
            self._said = self._context.run(self._ask)
        except BaseException as error:
            trace = error.__traceback__
            self._error = error.with_traceback(trace.tb_next if trace else None)
        finally:
            self.done.set()
            if self._on_done is not None:
                self._on_done()


async def _beside_the_loop(ask: Callable[[], Any]) -> Any:
    """Call in a thread; not in the loop's own ones, for which it would wait as it ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def answered() -> None:
        if not future.done():  # else whoever waited was cancelled
            future.set_result(None)

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(answered)

    question = _Question(ask, wake)
    question.start()
    await future
    return question.answer()
