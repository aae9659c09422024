"""Why a dial failed, where it can be told apart from a server that is down; and the way out."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import redis

__all__ = [
    "CredentialsError",
    "CredentialsLateError",
    "Fault",
    "TLSError",
    "TLSLateError",
    "TLSStalled",
    "explained",
    "reasons_of",
]


class Fault(redis.ConnectionError):
    """A dial that failed for a known reason; `way_out` says what to do about it."""

    def __init__(self, message: str = "", way_out: str = "") -> None:
        super().__init__(message)
        self.way_out = way_out


class TLSError(Fault):
    """The server is there, and TLS with it does not come about."""


class TLSStalled(TimeoutError):
    """The TLS handshake was not over in time."""


class TLSLateError(Fault, redis.TimeoutError):
    """The same, as a dial tells it: the server may be down, or speak no TLS on this port."""

    def __init__(self, message: str = "", way_out: str = "") -> None:
        super().__init__(
            message or "the TLS handshake was not over in time",
            way_out
            or "check that the server runs, and that it speaks TLS on this port: one that "
            "does not may wait for more",
        )


class CredentialsError(Fault):
    """Whoever was to give user name and password has not."""


class CredentialsLateError(CredentialsError, redis.TimeoutError):
    """It has not within the deadline of the dial."""


# OpenSSL's numbers for what is wrong with a certificate (x509_vfy.h).
_NOT_YET, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_ABOVE = 9, 10, 18, 19
_NO_ISSUER, _NOTHING_VERIFIED, _REVOKED, _OTHER_NAME, _OTHER_ADDRESS = 20, 21, 23, 62, 64

_TRUST = "name the authority that has signed it: ssl_ca_certs (a file), ssl_ca_data or ssl_ca_path"
_NAME = (
    "dial it by a name that its certificate is for, or have one made for this name; "
    "ssl_check_hostname=False takes it for any name"
)
_UNTRUSTED = {
    _NOT_YET: "its certificate is not valid yet: see to the clocks of both machines",
    _EXPIRED: "renew the server's certificate, or see to the clock of this machine",
    _SELF_SIGNED: f"the server has signed its certificate itself; {_TRUST}",
    _SELF_SIGNED_ABOVE: f"the certificate's authority is not known here; {_TRUST}",
    _NO_ISSUER: f"the certificate's authority is not known here; {_TRUST}",
    _NOTHING_VERIFIED: f"the certificate's authority is not known here; {_TRUST}",
    _REVOKED: "its authority has called the server's certificate back: have a new one made",
    _OTHER_NAME: _NAME,
    _OTHER_ADDRESS: _NAME,
}

# How a connection ends that the other side has closed. SSLEOFError: without TLS's word for it.
_ENDS = (
    BrokenPipeError,
    ConnectionAbortedError,
    ConnectionResetError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)

_NO_TLS = "the server does not speak TLS on this port: use redis://, or its TLS port"
_OURS = "the server does not take our certificate: see to ssl_certfile and ssl_keyfile"
_VERSIONS = (
    "the two have no version or cipher of TLS in common: see to ssl_min_version and ssl_ciphers"
)
# OpenSSL's names for what went wrong in a handshake, an alert of the server's among them.
_WAYS_OUT = {
    "HTTP_REQUEST": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "NO_CIPHERS_AVAILABLE": _VERSIONS,
    "NO_PROTOCOLS_AVAILABLE": _VERSIONS,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": f"{_VERSIONS}, and to ssl_certfile if it asks for one",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _VERSIONS,
    "TLSV1_ALERT_PROTOCOL_VERSION": _VERSIONS,
    "UNSUPPORTED_PROTOCOL": _VERSIONS,
    "SSLV3_ALERT_BAD_CERTIFICATE": _OURS,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _OURS,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": _OURS,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _OURS,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _OURS,
    "TLSV1_ALERT_DECRYPT_ERROR": _OURS,
    "TLSV1_ALERT_UNKNOWN_CA": _OURS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": (
        "the server asks for a certificate of ours: give ssl_certfile and ssl_keyfile"
    ),
}
_ANY_OTHER = "see to the settings that begin with ssl_, and to the server's own tls-... ones"

_HUNG_UP = {
    # Where TLS stands already: it is 1.3, in which a server looks at our certificate last.
    True: "the server has hung up without a word: check that it runs; if it asks for a certificate "
    "of ours, give ssl_certfile and ssl_keyfile",
    False: "the server has hung up without a word: check that it runs; if it speaks TLS on this "
    "port, use rediss://",
}
_IN_TLS = (
    "the server has hung up in the middle of the TLS handshake: check that it runs, that it speaks "
    "TLS on this port, and whether it asks for a certificate of ours (ssl_certfile, ssl_keyfile)"
)
_NO_SOCKET = "there is no such socket: see `unixsocket` in the server's configuration"
_NO_RIGHT = (
    "this process's user may not use the socket: see `unixsocketperm` in the server's "
    "configuration, or put the user into the socket's group"
)
_NOT_SERVED = "nobody serves this socket any more: check that the server runs"


def explained(error: BaseException, *, is_tls: bool, is_file: bool, has_met: bool) -> BaseException:
    """Return `error`, or a `Fault` in its place that says what to do.

    `is_tls`: it was a dial with TLS; `is_file`: to a socket in the file system. `has_met`: the
    connection, TLS included, had come about, and the server was spoken to.
    """
    reasons = list(reasons_of(error))
    if any(isinstance(reason, TLSStalled) for reason in reasons):
        return _instead(TLSLateError, error)
    if not isinstance(error, redis.ConnectionError) or isinstance(
        error, redis.AuthenticationError | redis.BusyLoadingError | Fault
    ):
        return error
    for reason in reasons:
        if isinstance(reason, ssl.SSLError) and not isinstance(
            reason, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            return _instead(TLSError, error, _way_out_of_tls(reason))
    if is_file:
        return _explain_file(error, reasons)
    if has_met:
        return _instead(Fault, error, _HUNG_UP[is_tls]) if _has_hung_up(error, reasons) else error
    in_tls = is_tls and any(isinstance(reason, _ENDS) for reason in reasons)
    return _instead(Fault, error, _IN_TLS) if in_tls else error


def reasons_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those below it: what it was raised from, or in the handling of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _way_out_of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _UNTRUSTED.get(error.verify_code, _TRUST)
    return _WAYS_OUT.get(error.reason, _ANY_OTHER)


def _explain_file(error: BaseException, reasons: list[BaseException]) -> BaseException:
    for reason in reasons:
        for kind, way_out in (
            (FileNotFoundError, _NO_SOCKET),
            (PermissionError, _NO_RIGHT),
            (ConnectionRefusedError, _NOT_SERVED),
        ):
            if isinstance(reason, kind):
                return _instead(Fault, error, way_out)
    return error


def _has_hung_up(error: BaseException, reasons: list[BaseException]) -> bool:
    """Tell whether the connection was closed, and not by what the server has said."""
    # redis-py's own finding of an end of the stream has no error below it.
    is_end = len(reasons) == 1 and not getattr(error, "status_code", None)
    return is_end or any(isinstance(reason, _ENDS) for reason in reasons)


def _instead(kind: type[Fault], error: BaseException, way_out: str = "") -> Fault:
    fault = kind(str(error) if way_out else "", way_out)
    fault.__cause__ = error
    return fault
