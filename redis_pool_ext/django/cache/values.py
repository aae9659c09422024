"""A value as it is stored: serialized, and compressed where that is asked for.

Whole numbers are stored as text, so that Redis can count with them. What other backends
have stored is read as well: Django's own, and django-redis', with the same serializer; a
compressed value says so by its first bytes.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

from django.core.serializers.json import DjangoJSONEncoder

__all__ = ["COMPRESSORS", "SERIALIZERS", "Compressor", "Serializer", "Values"]

_DIGITS = frozenset(b"-0123456789")


class Serializer(Protocol):
    """Turns a value into bytes, and back; Django's own name for it."""

    def dumps(self, obj: Any, /) -> Any:
        """Return the value as bytes."""

    def loads(self, data: bytes, /) -> Any:
        """Return what `dumps` was given."""


class Pickle:
    """Python's own: takes nearly everything, and trusts whoever can write to the server."""

    def dumps(self, obj: Any) -> bytes:
        """Return the value, pickled."""
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, data: bytes) -> Any:
        """Return the value; runs what the pickle says."""
        return pickle.loads(data)


class Json:
    """Plain data; dates, UUIDs and decimals, by Django's encoder, come back as text."""

    def dumps(self, obj: Any) -> bytes:
        """Return the value as JSON."""
        return json.dumps(obj, cls=DjangoJSONEncoder, separators=(",", ":")).encode()

    def loads(self, data: bytes) -> Any:
        """Return the value."""
        return json.loads(data)


class MessagePack:
    """Plain data, smaller and quicker than JSON; needs the library `msgpack`."""

    def __init__(self) -> None:
        import msgpack  # optional

        packb: Any = msgpack.packb
        self.dumps: Callable[[Any], bytes] = packb
        self.loads: Callable[[bytes], Any] = msgpack.unpackb


class Compressor(NamedTuple):
    """How values are made smaller, and how those are told that were."""

    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]
    starts_with: bytes  # all that it makes, and nothing that a serializer does


def _by(library: str, starts_with: bytes) -> Callable[[], Compressor]:
    """Return what makes the compressor; a Python may be built without any of these."""

    def make() -> Compressor:
        module = import_module(library)
        return Compressor(module.compress, module.decompress, starts_with)

    return make


def _zstd() -> Compressor:
    is_in_python = find_spec("compression") is not None  # 3.14
    return _by("compression.zstd" if is_in_python else "backports.zstd", b"\x28\xb5\x2f\xfd")()


# Each is called once, where it is used.
SERIALIZERS: dict[str, Callable[[], Serializer]] = {
    "pickle": Pickle,
    "json": Json,
    "msgpack": MessagePack,
}
COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "bz2": _by("bz2", b"BZh"),
    "gzip": _by("gzip", b"\x1f\x8b"),
    "lz4": _by("lz4.frame", b"\x04\x22\x4d\x18"),
    "lzma": _by("lzma", b"\xfd7zXZ\x00"),
    "zlib": _by("zlib", b"\x78"),
    "zstd": _zstd,
}


class Values:
    """Turns values into what is stored, and back."""

    def __init__(
        self, serializer: Serializer, compressor: Compressor | None = None, min_length: int = 0
    ) -> None:
        self._serializer = serializer
        self._compressor = compressor
        self._min_length = min_length

    def dump(self, value: Any) -> Any:
        """Return what is stored for a value; raises what its serializer raises."""
        if type(value) is int:  # not a bool
            return value
        data = self._serializer.dumps(value)
        if self._compressor is not None and len(data) >= self._min_length:
            return min(self._compressor.compress(data), data, key=len)
        return data

    def load(self, data: bytes) -> Any:
        """Return the value of what is stored; raises what its serializer raises."""
        if data and data[0] in _DIGITS:
            try:
                return int(data)
            except ValueError:
                pass  # a number with a fraction, say
        compressor = self._compressor
        if compressor is not None and data.startswith(compressor.starts_with):
            data = _decompressed(compressor, data)
        return self._serializer.loads(data)


def _decompressed(compressor: Compressor, data: bytes) -> bytes:
    """Return the data as it was; as it is, if it only begins like something compressed."""
    try:
        return compressor.decompress(data)
    except Exception:  # each library has an error of its own
        return data
