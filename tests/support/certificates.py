"""Certificates for tests, made as they are needed; the files last as long as the process."""

from __future__ import annotations

import atexit
import hashlib
import os
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
_folder = tempfile.TemporaryDirectory(prefix="redis_pool_ext-tls-")
atexit.register(_folder.cleanup)


class Paper(NamedTuple):
    """The paths of a certificate, with what it takes to believe it, and of its key."""

    certificate: str
    key: str


@cache
def authority(name: str = "ours") -> trustme.CA:
    return trustme.CA(organization_unit_name=name)


@cache
def authority_file(name: str = "ours") -> str:
    return _write(f"authority-{name}", authority(name).cert_pem.bytes())


@cache
def authority_folder(name: str = "ours") -> str:
    """Return a folder with the authority's certificate, under the name that OpenSSL looks for."""
    folder = f"{_folder.name}/folder-{name}"
    os.mkdir(folder)
    with open(f"{folder}/{_hash_of_subject(name)}.0", "wb") as file:
        file.write(authority(name).cert_pem.bytes())
    return folder


@cache
def paper(*names: str, by: str = "ours", days: tuple[int, int] = (-1, 2)) -> Paper:
    """Return a certificate for some names, which an authority signs; valid on those days."""
    first, last = (NOW + number * DAY for number in days)
    made = authority(by).issue_cert(*names, not_before=first, not_after=last)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    stem = f"{'-'.join(names)}-{by}-{days[0]}-{days[1]}"
    return Paper(_write(stem, chain), _write(f"{stem}.key", made.private_key_pem.bytes()))


@cache
def self_signed(name: str) -> Paper:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 2 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    stem = f"self-{name}"
    return Paper(_write(stem, made.public_bytes(Encoding.PEM)), _write(f"{stem}.key", plain))


@cache
def encrypted(key: str, password: str) -> str:
    """Return the path of the same key, encrypted."""
    with open(key, "rb") as file:
        loaded = load_pem_private_key(file.read(), None)
    how = BestAvailableEncryption(password.encode())
    made = loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    return _write(f"{os.path.basename(key)}.encrypted", made)


def _write(name: str, data: bytes) -> str:
    path = f"{_folder.name}/{name}"
    with open(path, "wb") as file:
        file.write(data)
    return path


def _hash_of_subject(name: str) -> str:
    """Do what `openssl x509 -subject_hash` does: a digest of the name, in lower case."""
    loaded = x509.load_pem_x509_certificate(authority(name).cert_pem.bytes())
    oids = {NameOID.ORGANIZATION_NAME: 10, NameOID.ORGANIZATIONAL_UNIT_NAME: 11}
    said = b""
    for attribute in loaded.subject:
        text = " ".join(str(attribute.value).lower().split()).encode()
        oid = bytes((6, 3, 0x55, 4, oids[attribute.oid]))
        pair = oid + bytes((12, len(text))) + text
        said += bytes((0x31, len(pair) + 2, 0x30, len(pair))) + pair
    return hashlib.sha1(said).digest()[3::-1].hex()
