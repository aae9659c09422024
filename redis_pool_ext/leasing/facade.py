"""What redis-py asks of a pool beside connections: passed on to the pool behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis._parsers import Encoder

if TYPE_CHECKING:
    from redis.retry import Retry

    from ..pooling.base import PoolBase

__all__ = ["Facade"]


class Facade:
    """Looks like a pool to redis-py's clients, and has one behind it: `pool`."""

    cache = None

    pool: PoolBase

    def __bool__(self) -> bool:
        return True

    @property
    def connection_class(self) -> type[Any]:
        """The class that connections are made of."""
        return self.pool.connection_class

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """The arguments that connections are made with."""
        return self.pool.connection_kwargs

    @property
    def himport_registry(self) -> Any:
        """The pool's registry, of redis-py 8.1."""
        return self.pool.himport_registry

    @property
    def max_connections(self) -> int:
        """The pool's bound, not the lease's (which is one)."""
        return self.pool.max_connections

    def get_encoder(self) -> Encoder:
        """Return the pool's encoder."""
        return self.pool.get_encoder()

    def get_protocol(self) -> int | None:
        """Return the pool's RESP version."""
        return self.pool.get_protocol()

    def set_retry(self, retry: Retry) -> None:
        """Set the pool's retry policy: it is one for all its users."""
        self.pool.set_retry(retry)

    def get_connection_count(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the pool's count."""
        return self.pool.get_connection_count()
