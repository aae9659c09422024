"""TLS contexts: one for all connections of a pool, made anew when its files have changed.

redis-py makes one for each connection. Reading the system's certificates takes some tens of
milliseconds each time, in which an event loop stands still and a deadline passes.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..problems import ConfigError, Problem

__all__ = ["Contexts", "TLSSettings"]

_FILES = ("certfile", "keyfile", "ca_certs", "ca_path")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TLSSettings:
    """What redis-py's `ssl_...` arguments ask for; without a repr: a password is among it."""

    certfile: Any
    keyfile: Any
    password: Any
    cert_reqs: ssl.VerifyMode
    check_hostname: bool
    ca_certs: Any
    ca_path: Any
    ca_data: Any
    min_version: Any
    ciphers: Any
    include: tuple[Any, ...]
    exclude: tuple[Any, ...]

    @classmethod
    def of(cls, source: Any, names: dict[str, str]) -> TLSSettings:
        """Read them from a connection, or what it keeps them in; `names` has other names of it."""
        found: dict[str, Any] = {
            name: getattr(source, names.get(name, name), None) for name in cls.__slots__
        }
        found["include"] = tuple(found["include"] or ())
        found["exclude"] = tuple(found["exclude"] or ())
        return cls(**found)

    def new_context(self) -> ssl.SSLContext:
        """Return a new context; raises `ConfigError` where a file or a name cannot be used."""
        context = ssl.create_default_context()
        context.check_hostname = self.check_hostname
        context.verify_mode = self.cert_reqs
        for flag in self.include:
            context.verify_flags |= flag
        for flag in self.exclude:
            context.verify_flags &= ~flag
        if self.certfile or self.keyfile:
            self._load_our_certificate(context)
        if self.ca_certs or self.ca_path or self.ca_data:
            with _told("ssl_ca_certs, ssl_ca_path or ssl_ca_data", "give certificates as PEM"):
                context.load_verify_locations(self.ca_certs, self.ca_path, self.ca_data)
        if self.min_version is not None:
            with _told("ssl_min_version", "use one of ssl.TLSVersion"):
                context.minimum_version = self.min_version
        if self.ciphers:
            with _told("ssl_ciphers", "write it as `openssl ciphers` does"):
                context.set_ciphers(self.ciphers)
        return context

    def _load_our_certificate(self, context: ssl.SSLContext) -> None:
        if not self.certfile:
            raise _problem("ssl_keyfile", "is given alone", "give ssl_certfile as well")
        way_out = "give a certificate and its own key, as PEM files that this process may read"
        # Without a password OpenSSL would ask for one, at the server's terminal.
        password = self.password if self.password is not None else _no_password
        with _told("ssl_certfile, ssl_keyfile or ssl_password", way_out):
            context.load_cert_chain(self.certfile, self.keyfile, password)

    def stamps(self) -> tuple[Any, ...]:
        """Return what changes when one of the files does."""
        return tuple(_stamp(path) for name in _FILES if (path := getattr(self, name)))


class Contexts:
    """The context of a pool, kept for its next dial."""

    def __init__(self) -> None:
        self._kept: tuple[Any, ssl.SSLContext] | None = None

    def context_for(self, settings: TLSSettings) -> ssl.SSLContext:
        """Return the context for these settings; raises `ConfigError`.

        Certificates with a short life are renewed while the program runs: what was read
        before that is not used again.
        """
        key = (settings, settings.stamps())
        kept = self._kept  # one read: another thread may put its own there
        if kept is not None and kept[0] == key:
            return kept[1]
        made = settings.new_context()
        self._kept = (key, made)
        return made


def _stamp(path: Any) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:  # told by whoever reads it
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _no_password() -> str:
    raise ValueError("the key is encrypted, and there is no ssl_password")


@contextmanager
def _told(names: str, way_out: str) -> Generator[None, None, None]:
    """Let an error name the settings that it comes from; OpenSSL's own does not."""
    try:
        yield
    except OSError as error:  # an ssl.SSLError, too; no path: its message has none
        reason = getattr(error, "reason", None) or error.strerror or str(error.args[0])
        raise _problem(names, f"cannot be used ({reason})", way_out) from None
    except (TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise _problem(names, f"cannot be used ({reason})", way_out) from None


def _problem(name: str, message: str, way_out: str) -> ConfigError:
    return ConfigError([Problem("E003", name, message, way_out)])
