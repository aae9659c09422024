"""What a connection says of its settings while it is being dialled, and how far that is."""

from __future__ import annotations

from typing import Any

from ..budget import Budget
from ..deadline import Deadline
from ..wire.spending import LEAST, Spending
from .credentials import Asked
from .tls import Contexts, TLSSettings

__all__ = ["WhileDialling"]


class WhileDialling:
    """Settings that redis-py reads, cut to the deadline of a dial; a mixin before its classes."""

    # The retry policy of a dial: the pool decides how often to dial, and redis-py's own would
    # sleep past the deadline.
    _once: Any
    # The class that keeps a retry policy within a budget.
    _retry_within: Any

    # What its holder may spend on Redis in all; lent by the lease, which takes it back.
    budget: Budget | None = None
    _spending: Spending | None = None  # what counts its time
    _kept_retry: Any = None
    home: Any

    _deadline: Deadline | None  # of the dial that is under way
    _cut_to: Deadline | None  # of one address, while that is tried
    _address: str | None
    _handshake: Any
    _credential_provider: Any = None
    # What was said when somebody was asked for credentials: for texts in which it is to be hidden.
    said: tuple[Any, ...] = ()
    # Of its pool, which has one for all its connections.
    contexts: Contexts | None = None

    @property
    def credential_provider(self) -> Any:
        """Who is asked for credentials; while dialling, for no longer than that may take."""
        provider = self._credential_provider
        return None if provider is None else Asked(provider, self._deadline, self._note_said)

    @credential_provider.setter
    def credential_provider(self, provider: Any) -> None:
        self._credential_provider = provider

    def _note_said(self, said: tuple[Any, ...]) -> None:
        self.said = said

    def _context_for(self, settings: TLSSettings) -> Any:
        """Return the TLS context of the pool; raises `ConfigError`."""
        if self.contexts is None:  # in no pool
            self.contexts = Contexts()
        return self.contexts.context_for(settings)

    @property
    def is_tls(self) -> bool:
        """Tell whether it speaks TLS: redis-py's connections for threads and for tasks say so."""
        return hasattr(self, "check_hostname")

    @property
    def retry(self) -> Any:
        """The retry policy of commands, within the budget; a dial has none."""
        if self._deadline is not None:
            return self._once
        if self._spending is None:
            return self._retry
        kept = self._kept_retry
        if kept is None or kept.policy is not self._retry:
            kept = self._kept_retry = self._retry_within(self._retry, self._spending)
        return kept

    @retry.setter
    def retry(self, policy: Any) -> None:
        self._retry = policy

    @property
    def host(self) -> str:
        """The host's name; the address, while that is being dialled."""
        return self._host if self._address is None else self._address

    @host.setter
    def host(self, name: str) -> None:
        self._host = name

    @property
    def socket_connect_timeout(self) -> float | None:
        """Seconds for one connection attempt (each address of a name has its own)."""
        return self._cut(self._socket_connect_timeout)

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, value: float | None) -> None:
        self._socket_connect_timeout = value

    def _cut(self, configured: float | None) -> float | None:
        if self._cut_to is None:
            return configured
        left = max(self._cut_to.remaining(), 0.001)  # 0 would mean non-blocking
        return left if configured is None else min(left, configured)

    def lend(self, budget: Budget | None) -> None:
        """Let nothing on it last longer than `budget`; None takes that off, and leaves no trace."""
        self.budget = budget
        self._kept_retry = None
        if budget is None:
            self._spending = None
        else:
            self._spending = Spending(budget, self.home() if self.home is not None else None)

    @property
    def is_spent(self) -> bool:
        """Tell whether its holder may not use it any more: the budget is spent."""
        return self.budget is not None and self.budget.left() < LEAST

    @property
    def heard(self) -> bool:
        """Tell whether the server said something in the last handshake, and last."""
        return self._handshake is not None and bool(self._handshake.heard)

    @property
    def met_silence(self) -> bool:
        """Tell whether the last handshake began, and the server never said anything in it."""
        return self._handshake is not None and not self._handshake.ever_heard

    @property
    def is_dialling(self) -> bool:
        """Tell whether somebody is in the middle of connecting it."""
        return self._deadline is not None

    def _begin_anew(self) -> None:
        """Forget what the handshake itself has sent."""
