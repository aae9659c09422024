"""Credentials that change while the program runs: every pool that uses them begins anew.

redis-py sends AUTH on connections as it is told of new ones, also on those that it has lent
out in the meantime. Here an idle connection is closed, one that is lent out when it comes back,
and a dial asks for what is valid by then.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from redis.credentials import StreamingCredentialProvider

__all__ = ["follow"]


class Follower(Protocol):
    """A pool, as far as its credentials go."""

    def credentials_changed(self) -> None:
        """Begin anew. Called in whatever thread the provider likes."""


class Rotation:
    """The pools that use one provider. It holds none of them."""

    def __init__(self) -> None:
        self.followers: weakref.WeakSet[Follower] = weakref.WeakSet()

    def __call__(self, _token: Any) -> None:
        for follower in list(self.followers):
            follower.credentials_changed()


# By the provider's id: one that compares by value may have no hash. There is one for each
# provider, as most of these know a single listener, and the next to come would replace it.
_rotations: dict[int, Rotation] = {}


def follow(provider: Any, follower: Follower) -> None:
    """Let `follower` know when `provider` has new credentials, for as long as both live.

    Does nothing for a provider that does not stream.
    """
    if not isinstance(provider, StreamingCredentialProvider):
        return
    mine = Rotation()
    rotation = _rotations.setdefault(id(provider), mine)
    rotation.followers.add(follower)
    if rotation is mine:
        try:
            weakref.finalize(provider, _rotations.pop, id(provider), None).atexit = False
        except TypeError:  # it has no weak references, and is remembered for good
            _kept.append(provider)
        provider.on_next(rotation)


_kept: list[Any] = []  # no other provider gets the id of one of these
