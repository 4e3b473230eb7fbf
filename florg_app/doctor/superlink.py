"""Does the SuperLink of a connection answer, and by the certificate that the connection trusts?"""

import socket
import ssl
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from cryptography import x509

from florg_app.certificates import certificate_names
from florg_app.doctor.finding import Finding
from strategies.flower_internals import Connection, parse_connection

SECONDS = 5.0
SOON = timedelta(days=30)
SUBJECT = "SuperLink"
_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID
_OTHER_NAMES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


@dataclass(frozen=True)
class SuperLinkPlace:
    """Where the SuperLink is said to be."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def check_superlink(home: Path, name: str) -> Iterator[Finding]:
    """Verdicts on the connection `name` of the Flower configuration in `home`, up to the first problem."""
    connection = read_connection(home, name)
    if isinstance(connection, Finding):
        yield connection
        return
    if connection.address.startswith(":"):
        yield Finding("ok", SUBJECT, f"{name} is a local one, which flwr starts when it is needed")
        return
    place = _place(connection)
    if isinstance(place, Finding):
        yield place
        return
    if unreachable := check_reachable(place):
        yield unreachable
    elif connection.insecure:
        yield check_plain(place)
    else:
        yield from check_tls(place, connection.root_certificates)


def read_connection(home: Path, name: str) -> Connection | Finding:
    """The connection as Flower reads it, or what is wrong with it."""
    file = home / "config.toml"
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        table = tomllib.loads(text).get("superlink", {})
        if not isinstance(table.get(name), dict):
            known = ", ".join(key for key, value in table.items() if isinstance(value, dict)) or "none"
            remedy = f'add [superlink.{name}] with address = "HOST:8000" and root-certificates = "/absolute/ca.crt"'
            return Finding("problem", SUBJECT, f"{file} has no connection {name}; it has {known}", remedy)
        return parse_connection(table[name], name)
    except (OSError, ValueError) as error:
        return Finding("problem", SUBJECT, f"{file}: {error}", "mend that file")


def check_reachable(place: SuperLinkPlace) -> Finding | None:
    """None where the port accepts connections."""
    try:
        socket.create_connection((place.host, place.port), SECONDS).close()
    except OSError as error:
        remedy = "check the name, the port, that the SuperLink runs with --host 0.0.0.0, and the firewall"
        return Finding("problem", SUBJECT, f"{place} cannot be reached: {error}", remedy)
    return None


def check_plain(place: SuperLinkPlace) -> Finding:
    """A connection that says `insecure = true`."""
    if _health(HTTPConnection(place.host, place.port, timeout=SECONDS)) == 200:
        remedy = "for a trusted network only; otherwise make certificates: florg certs"
        return Finding("warning", SUBJECT, f"{place} answers, unencrypted", remedy)
    if _certificate(place):
        remedy = 'replace insecure = true by root-certificates = "/absolute/ca.crt" in the connection'
        return Finding("problem", SUBJECT, f"{place} speaks TLS, but the connection says insecure = true", remedy)
    return Finding("problem", SUBJECT, f"{place} is no SuperLink: /health does not answer", "check address and port")


def check_tls(place: SuperLinkPlace, root_certificates: str | None) -> Iterator[Finding]:
    """A connection with TLS: trust, names, expiry, then health."""
    try:
        context = ssl.create_default_context(cafile=root_certificates)
    except (OSError, ssl.SSLError) as error:
        text = f'root-certificates = "{root_certificates}" cannot be used: {error}'
        yield Finding("problem", SUBJECT, text, "give the absolute path of the ca.crt that florg certs made")
        return
    try:
        with socket.create_connection((place.host, place.port), SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=place.host).close()
    except ssl.SSLCertVerificationError as error:
        yield _distrust(place, error, root_certificates)
        return
    except OSError as error:
        yield _no_tls(place, error)
        return
    certificate = _certificate(place)
    if certificate is not None:
        yield check_expiry(certificate.not_valid_after_utc, datetime.now(UTC))
    healthy = _health(HTTPSConnection(place.host, place.port, timeout=SECONDS, context=context)) == 200
    if healthy:
        yield Finding("ok", SUBJECT, f"{place} answers over TLS")
    else:
        yield Finding("problem", SUBJECT, f"{place} is no SuperLink: /health does not answer", "check address and port")


def check_expiry(end: datetime, now: datetime) -> Finding:
    """How long a valid certificate still is one."""
    if end - now < SOON:
        remedy = "move certs/server away, call florg certs again, restart the SuperLink; clients need nothing new"
        return Finding("warning", "certificate", f"it expires on {end:%Y-%m-%d}", remedy)
    return Finding("ok", "certificate", f"it is valid until {end:%Y-%m-%d}")


def _place(connection: Connection) -> SuperLinkPlace | Finding:
    host, _, port = connection.address.rpartition(":")
    if not host or not port.isdigit():
        text = f'address = "{connection.address}" of {connection.name}'
        return Finding("problem", SUBJECT, text, "write it as HOST:PORT, without http://")
    return SuperLinkPlace(host.strip("[]"), int(port))


def _distrust(place: SuperLinkPlace, error: ssl.SSLCertVerificationError, root_certificates: str | None) -> Finding:
    certificate = _certificate(place)
    if error.verify_code in (_EXPIRED, _NOT_YET) and certificate is not None:
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        text = (
            f"the certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}, now it is {datetime.now(UTC):%Y-%m-%d}"
        )
        return Finding("problem", "certificate", text, "make another one with florg certs, or set this machine's clock")
    if error.verify_code in _OTHER_NAMES and certificate is not None:
        names = ", ".join(sorted(certificate_names(certificate)))
        text = f"the certificate is for {names}, not for {place.host}"
        return Finding(
            "problem", "certificate", text, "use one of these names, or make another: florg certs --server-name"
        )
    text = (
        f"the certificate is not signed by {root_certificates or 'an authority of this system'}: {error.verify_message}"
    )
    return Finding(
        "problem", "certificate", text, "take the ca.crt of the folder that the SuperLink's certificate is from"
    )


def _no_tls(place: SuperLinkPlace, error: OSError) -> Finding:
    if _health(HTTPConnection(place.host, place.port, timeout=SECONDS)) == 200:
        remedy = "start the SuperLink with --ssl-certfile, --ssl-keyfile and --ssl-ca-certfile instead of --insecure"
        return Finding("problem", SUBJECT, f"{place} speaks plain HTTP, but the connection wants TLS", remedy)
    return Finding("problem", SUBJECT, f"{place} does not speak TLS: {error}", "check address and port")


def _health(connection: HTTPConnection) -> int | None:
    """The status of /health; None where there is no HTTP answer."""
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _certificate(place: SuperLinkPlace) -> x509.Certificate | None:
    """What the other side shows, trusted or not; None where it does not speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        plain = socket.create_connection((place.host, place.port), SECONDS)
        with plain, context.wrap_socket(plain, server_hostname=place.host) as secure:
            return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None
