"""Certificates and keys of a federation: an authority, the SuperLink's TLS certificate, one key pair per SuperNode.

Each machine gets one folder. A folder is complete or absent and is never written to twice, so no key is ever lost.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from clients.atomic_files import folder_atomically

CA_CERTIFICATE, CA_KEY = "ca.crt", "ca.key"
SERVER_CERTIFICATE, SERVER_KEY = "server.crt", "server.key"
CLIENT_KEY, CLIENT_PUBLIC = "client.key", "client.pub"

ALWAYS_NAMED = ("localhost", "127.0.0.1", "::1")
"""Names that every server certificate has: the SuperLink's own processes reach it by them."""

CURVE = ec.SECP384R1
"""Of all keys; SuperNode authentication takes NIST curves only."""

CA_DAYS = 3650
CLOCK_SKEW = timedelta(minutes=5)

_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I)
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class CertificateFolder:
    """One folder of the result: what it is called below the root, whether this call made it."""

    name: str
    new: bool


def make_certificates(
    root: Path, server_names: Sequence[str], clients: Sequence[str], days: int
) -> list[CertificateFolder]:
    """Make what is missing below `root`: `ca`, `server` (with `server_names` only) and `clients/NAME`.

    What exists is kept as it is, so that a later call adds clients. `days` is the validity of the server's
    certificate. Raises ValueError where names are unusable or the folder does not fit them, OSError where it cannot
    be written.
    """
    wanted = [_alternative_name(name) for name in server_names]
    for name in clients:
        if not _CLIENT.fullmatch(name):
            raise ValueError(f"client {name!r}: expected letters, digits, dots, hyphens and underscores, at most 63")
    if not server_names and not (root / "ca").is_dir():
        raise ValueError(f"{root} holds no certificates yet; name the SuperLink's host with --server-name")
    folders = [_once(root, "ca", _write_authority)]
    authority = _Authority.read(root / "ca")
    if wanted:
        _refuse_other_names(root / "server", wanted)
        folders.append(_once(root, "server", lambda folder: _write_server(folder, authority, wanted, days)))
    folders += [_once(root, f"clients/{name}", lambda folder: _write_client(folder, authority)) for name in clients]
    return folders


def client_names(text: str) -> list[str]:
    """ "3" is client-0, client-1, client-2; anything else is a list of names with commas."""
    if text.strip().isdigit():
        return [f"client-{number}" for number in range(int(text))]
    return [name.strip() for name in text.split(",") if name.strip()]


def certificate_names(certificate: x509.Certificate) -> set[str]:
    """The host names and addresses that a certificate is valid for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in found}


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read, from its first byte on. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class _Authority:
    """The certificate authority that vouches for the SuperLink."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def read(folder: Path) -> "_Authority":
        certificate = x509.load_pem_x509_certificate((folder / CA_CERTIFICATE).read_bytes())
        key = serialization.load_pem_private_key((folder / CA_KEY).read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), type(key)
        return _Authority(certificate, key)

    def pem(self) -> bytes:
        return _pem(self.certificate)


def _once(root: Path, name: str, write: Callable[[Path], None]) -> CertificateFolder:
    if (root / name).exists():
        return CertificateFolder(name, new=False)
    with folder_atomically(root / name) as folder:
        write(folder)
    return CertificateFolder(name, new=True)


def _write_authority(folder: Path) -> None:
    key = ec.generate_private_key(CURVE())
    name = _name("FLoRG federation authority")
    usage = x509.KeyUsage(**dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True})
    builder = _builder(name, name, key, CA_DAYS).add_extension(usage, critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    write_private(folder / CA_KEY, _pem_key(key))
    (folder / CA_CERTIFICATE).write_bytes(_pem(builder.sign(key, hashes.SHA384())))


def _write_server(folder: Path, authority: _Authority, names: Iterable[x509.GeneralName], days: int) -> None:
    if datetime.now(UTC) + timedelta(days=days) > authority.certificate.not_valid_after_utc:
        end = authority.certificate.not_valid_after_utc
        raise ValueError(f"--days {days} is longer than the authority is valid, until {end:%Y-%m-%d}; take fewer")
    key = ec.generate_private_key(CURVE())
    issuer, issuer_key = authority.certificate.subject, authority.key.public_key()
    names = list(dict.fromkeys([*names, *map(_alternative_name, ALWAYS_NAMED)]))
    usage = x509.KeyUsage(**dict.fromkeys(_USAGES, False) | {"digital_signature": True})
    builder = _builder(_name("SuperLink"), issuer, key, days).add_extension(usage, critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    for extension in (
        x509.SubjectAlternativeName(names),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key),
    ):
        builder = builder.add_extension(extension, critical=False)
    write_private(folder / SERVER_KEY, _pem_key(key))
    (folder / SERVER_CERTIFICATE).write_bytes(_pem(builder.sign(authority.key, hashes.SHA384())))
    (folder / CA_CERTIFICATE).write_bytes(authority.pem())


def _write_client(folder: Path, authority: _Authority) -> None:
    key = ec.generate_private_key(CURVE())
    encoding, none = serialization.Encoding, serialization.NoEncryption()
    public = key.public_key().public_bytes(encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    write_private(folder / CLIENT_KEY, key.private_bytes(encoding.PEM, serialization.PrivateFormat.OpenSSH, none))
    (folder / CLIENT_PUBLIC).write_bytes(public + b"\n")
    (folder / CA_CERTIFICATE).write_bytes(authority.pem())


def _refuse_other_names(folder: Path, wanted: Sequence[x509.GeneralName]) -> None:
    if not folder.exists():
        return
    there = certificate_names(x509.load_pem_x509_certificate((folder / SERVER_CERTIFICATE).read_bytes()))
    if missing := {str(name.value) for name in wanted} - there:
        raise ValueError(
            f"{folder} has a certificate that lacks {', '.join(sorted(missing))}; to make another one, move that "
            "folder away first: clients need nothing new, since the authority stays the same"
        )


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _alternative_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        if _HOST.fullmatch(text):
            return x509.DNSName(text)
    raise ValueError(f"--server-name {text}: expected a host name or an IP address, without scheme, port or path")


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
