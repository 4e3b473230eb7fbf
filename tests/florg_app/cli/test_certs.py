"""`florg certs`: what it makes is accepted by TLS and by Flower, private from the first byte, and never overwritten."""

import os
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from florg_app import certificates
from florg_app.cli.main import app
from tests.support.flower_internals import node_keys, options_of, registered_key, root_certificates, server_certificates

NAMES = ["server.example.org", "10.1.2.3"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Certificates for a server of two names and two clients."""
    folder = tmp_path_factory.mktemp("pki") / "certs"
    previous = os.umask(0)  # the permissions are the command's own doing
    certificates.make_certificates(folder, NAMES, ["clinic-a", "clinic-b"], days=30)
    os.umask(previous)
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def certificate(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def shake_hands(root, server_hostname, authority=None):
    """A TLS handshake of the server's certificate with a client that trusts the authority, by a name."""
    ours, theirs = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(root / "server/server.crt", root / "server/server.key")

    def serve():
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    client = ssl.create_default_context(cafile=authority or root / "clients/clinic-a/ca.crt")
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    try:
        with client.wrap_socket(ours, server_hostname=server_hostname) as connection:
            return connection.version()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", [*NAMES, "localhost", "127.0.0.1", "::1"])
def test_the_server_is_trusted_by_each_of_its_names(root, name):
    assert shake_hands(root, name) == "TLSv1.3"


@pytest.mark.parametrize("name", ["example.org", "other.example.org", "10.1.2.4"])
def test_the_server_is_not_trusted_by_any_other_name(root, name):
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        shake_hands(root, name)


def test_the_server_is_not_trusted_by_clients_of_another_authority(root, tmp_path):
    certificates.make_certificates(tmp_path / "other", NAMES, [], days=30)
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        shake_hands(root, NAMES[0], tmp_path / "other/ca/ca.crt")


def test_the_authority_signs_the_server_and_only_servers(root):
    authority, server = certificate(root / "ca/ca.crt"), certificate(root / "server/server.crt")
    server.verify_directly_issued_by(authority)
    for one, is_authority in ((authority, True), (server, False)):
        assert one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is is_authority
    assert certificates.certificate_names(server) == {*NAMES, "localhost", "127.0.0.1", "::1"}
    begun = server.not_valid_before_utc + certificates.CLOCK_SKEW
    assert begun <= datetime.now(UTC)
    assert server.not_valid_after_utc - begun == timedelta(days=30)


def test_private_keys_are_for_their_owner_alone_from_the_first_byte(root, tmp_path):
    keys = sorted(str(path.relative_to(root)) for path in root.rglob("*.key"))
    assert keys == ["ca/ca.key", "clients/clinic-a/client.key", "clients/clinic-b/client.key", "server/server.key"]
    assert {stat.S_IMODE((root / key).stat().st_mode) for key in keys} == {0o600}


def test_a_private_file_is_created_private_and_never_opened_if_it_exists(tmp_path, monkeypatch):
    modes = []
    monkeypatch.setattr(os, "fsync", lambda handle: modes.append(os.fstat(handle).st_mode & 0o777))
    previous = os.umask(0)
    certificates.write_private(tmp_path / "key", b"1")
    os.umask(previous)
    assert modes == [0o600]
    with pytest.raises(FileExistsError):
        certificates.write_private(tmp_path / "key", b"2")
    assert (tmp_path / "key").read_bytes() == b"1"


def test_the_folder_of_a_client_holds_no_other_key(root):
    assert set(files(root / "clients/clinic-a")) == {"ca.crt", "client.key", "client.pub"}
    assert set(files(root / "server")) == {"ca.crt", "server.crt", "server.key"}


def test_flower_loads_the_keys_and_certificates(root):
    own, server = root / "clients/clinic-a", root / "server"
    node = ["--root-certificates", f"{own}/ca.crt", "--auth-supernode-private-key", f"{own}/client.key"]
    options = options_of("flower-supernode", node)
    keys = node_keys(options)
    assert keys is not None
    assert isinstance(keys[0], ec.EllipticCurvePrivateKey)
    assert root_certificates(options, "server:8000") == (root / "ca/ca.crt").read_bytes()
    registered = registered_key(own / "client.pub")
    assert registered.startswith(b"-----BEGIN PUBLIC KEY")
    link = ["--ssl-ca-certfile", f"{server}/ca.crt", "--ssl-certfile", f"{server}/server.crt"]
    loaded = server_certificates(options_of("flower-superlink", [*link, "--ssl-keyfile", f"{server}/server.key"]))
    assert loaded is not None


def test_a_client_is_added_later_and_nothing_else_changes(tmp_path):
    certificates.make_certificates(tmp_path, ["server"], ["a"], days=30)
    before = files(tmp_path)
    made = certificates.make_certificates(tmp_path, [], ["a", "b"], days=30)
    assert [(folder.name, folder.new) for folder in made] == [("ca", False), ("clients/a", False), ("clients/b", True)]
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert after["clients/b/ca.crt"] == before["ca/ca.crt"]
    assert after["clients/b/client.key"] != before["clients/a/client.key"]


def test_a_server_of_other_names_is_refused_until_the_old_one_is_moved_away(tmp_path):
    certificates.make_certificates(tmp_path, ["server"], ["a"], days=30)
    with pytest.raises(ValueError, match=r"lacks other; to make another one, move that folder away"):
        certificates.make_certificates(tmp_path, ["server", "other"], [], days=30)
    (tmp_path / "server").rename(tmp_path / "old-server")
    certificates.make_certificates(tmp_path, ["server", "other"], [], days=30)
    assert shake_hands(tmp_path, "other", tmp_path / "clients/a/ca.crt")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--clients", "2"], "name the SuperLink's host with --server-name"),
        (["--server-name", "https://server"], "without scheme"),
        (["--server-name", "server:8000"], "without scheme, port"),
        (["--server-name", "server", "--clients", "../a"], "client '../a'"),
        (["--server-name", "server", "--days", "4000"], "--days"),
    ],
)
def test_unusable_arguments_end_with_2_and_name_what_is_wrong(tmp_path, arguments, words):
    result = CliRunner().invoke(app, ["certs", str(tmp_path / "new"), *arguments])
    assert (result.exit_code, words in result.output) == (2, True), result.output


def test_a_server_certificate_does_not_outlive_its_authority(tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "CA_DAYS", 10)
    with pytest.raises(ValueError, match="--days 30 is longer than the authority is valid"):
        certificates.make_certificates(tmp_path, ["server"], [], days=30)
    assert not (tmp_path / "server").exists()


def test_the_command_says_what_was_made_and_where_it_goes(tmp_path):
    def call(*arguments):
        result = CliRunner().invoke(app, ["certs", str(tmp_path), *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    first = call("--server-name", "server", "--clients", "2")
    assert f"made  {tmp_path}/clients/client-1\n" in first
    assert "flwr supernode register" in first
    assert f"kept  {tmp_path}/clients/client-1\nmade  {tmp_path}/clients/client-2\n" in call("--clients", "3")
