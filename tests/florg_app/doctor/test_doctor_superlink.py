"""`florg doctor --connection`: each way in which a SuperLink and a connection miss each other has a line of its own."""

import socket
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from florg_app import certificates
from florg_app.doctor import superlink
from florg_app.doctor.superlink import check_expiry, check_superlink
from tests.support import patience
from tests.support.health_server import health_server


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    certificates.make_certificates(folder, ["localhost"], [], days=300)
    return folder


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A server in a thread of this process may be slow where the machine is busy."""
    monkeypatch.setattr(superlink, "SECONDS", patience.left())


@pytest.fixture
def taken_port():
    """A port on which nothing listens, and which nobody else can take meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def findings(tmp_path):
    """The findings about a connection with this address and these further lines."""

    def findings(address, *lines):
        text = "\n".join(["[superlink.hospitals]", f'address = "{address}"', *lines])
        (tmp_path / "config.toml").write_text(text)
        return [(finding.level, finding.text, finding.remedy) for finding in check_superlink(tmp_path, "hospitals")]

    return findings


def trust(keys):
    return f'root-certificates = "{keys}/ca/ca.crt"'


def test_all_is_well_over_tls(findings, keys):
    with health_server(keys) as port:
        found = findings(f"localhost:{port}", trust(keys))
    assert [(level, remedy) for level, _, remedy in found] == [("ok", ""), ("ok", "")]
    assert found[1][1] == f"localhost:{port} answers over TLS"


def test_an_unencrypted_superlink_is_a_warning_where_the_connection_says_so(findings):
    with health_server() as port:
        ((level, text, _),) = findings(f"127.0.0.1:{port}", "insecure = true")
    assert (level, text) == ("warning", f"127.0.0.1:{port} answers, unencrypted")


def test_plain_http_against_tls_is_recognised(findings, keys):
    with health_server(keys) as port:
        ((level, text, remedy),) = findings(f"localhost:{port}", "insecure = true")
    assert (level, text) == ("problem", f"localhost:{port} speaks TLS, but the connection says insecure = true")
    assert "root-certificates" in remedy


def test_tls_against_plain_http_is_recognised(findings, keys):
    with health_server() as port:
        ((level, text, _),) = findings(f"localhost:{port}", trust(keys))
    assert (level, text) == ("problem", f"localhost:{port} speaks plain HTTP, but the connection wants TLS")


def test_a_foreign_authority_is_recognised(findings, keys, tmp_path):
    certificates.make_certificates(tmp_path / "other", ["localhost"], [], days=2)
    with health_server(keys) as port:
        ((level, text, _),) = findings(f"localhost:{port}", trust(tmp_path / "other"))
        ((_, system, _),) = findings(f"localhost:{port}")
    assert level == "problem"
    assert f"is not signed by {tmp_path}/other/ca/ca.crt" in text
    assert "is not signed by an authority of this system" in system


def test_another_name_is_recognised_and_the_right_ones_are_listed(findings, tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "ALWAYS_NAMED", ())
    certificates.make_certificates(tmp_path / "far", ["server.example.org", "10.1.2.3"], [], days=2)
    with health_server(tmp_path / "far") as port:
        for host in ("localhost", "127.0.0.1"):
            ((level, text, _),) = findings(f"{host}:{port}", trust(tmp_path / "far"))
            assert (level, text) == ("problem", f"the certificate is for 10.1.2.3, server.example.org, not for {host}")


def test_an_expired_certificate_is_recognised(findings, tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "CLOCK_SKEW", timedelta(days=9))
    monkeypatch.setattr(certificates, "CA_DAYS", 3)
    certificates.make_certificates(tmp_path / "old", ["localhost"], [], days=-2)
    with health_server(tmp_path / "old") as port:
        ((level, text, _),) = findings(f"localhost:{port}", trust(tmp_path / "old"))
    assert level == "problem"
    end = x509.load_pem_x509_certificate((tmp_path / "old/server/server.crt").read_bytes()).not_valid_after_utc
    assert f"to {end:%Y-%m-%d}, now it is" in text


def test_the_end_of_a_certificate_is_announced_a_month_before():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert check_expiry(now + timedelta(days=31), now).level == "ok"
    soon = check_expiry(now + timedelta(days=29), now)
    assert (soon.level, soon.text) == ("warning", "it expires on 2026-01-30")


@pytest.mark.parametrize(
    ("address", "words"),
    [("http:/x", "address ="), ("server", "address ="), ("no-such-host.invalid:8000", "cannot be reached")],
)
def test_addresses_that_lead_nowhere(findings, address, words):
    ((level, text, remedy),) = findings(address)
    assert (level, words in text) == ("problem", True), text
    assert remedy


def test_a_port_on_which_nothing_listens_and_one_with_something_else(findings, taken_port):
    ((level, text, _),) = findings(f"127.0.0.1:{taken_port}", "insecure = true")
    assert (level, "cannot be reached" in text) == ("problem", True)
    with health_server(status=404) as port:
        ((level, text, _),) = findings(f"localhost:{port}", "insecure = true")
        assert (level, "is no SuperLink" in text) == ("problem", True)


def test_a_connection_that_is_not_there_or_not_as_flower_wants_it(findings, tmp_path, taken_port):
    missing = list(check_superlink(tmp_path / "nowhere", "hospitals"))
    assert "has no connection hospitals; it has none" in missing[0].text
    ((level, text, _),) = findings("localhost:1", 'root-certificates = "ca.crt"')
    assert (level, "expected absolute path" in text) == ("problem", True)
    ((level, text, _),) = findings(f"127.0.0.1:{taken_port}", 'root-certificates = "/nowhere/ca.crt"')
    assert (level, "cannot be reached" in text) == ("problem", True)


def test_a_missing_file_of_certificates_is_named(findings, keys):
    with health_server(keys) as port:
        ((level, text, _),) = findings(f"localhost:{port}", 'root-certificates = "/nowhere/ca.crt"')
    assert (level, '"/nowhere/ca.crt" cannot be used' in text) == ("problem", True)


def test_a_local_connection_is_started_by_flower(findings):
    assert [level for level, _, _ in findings(":local:")] == ["ok"]
