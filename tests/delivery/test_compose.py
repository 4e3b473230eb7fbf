"""The compose files: commands that the installed Flower takes, secured unless the file's name says otherwise."""

import re

import pytest

from florg_app import certificates
from florg_app.engines.superlink import environment
from scripts.settings_table import ROOT
from tests.support.compose import DOCKER, VARIABLE, example_variables, load, partition, target
from tests.support.dockerfile import stages
from tests.support.flower_internals import options_of, values_of
from tests.support.warm_options import options_behind

FILES = sorted(path.name for path in DOCKER.glob("*.yaml") if path.name != "common.yaml")
STAGES = stages(DOCKER / "Dockerfile")
SERVICES = [
    pytest.param(file, name, service, id=f"{file}:{name}")
    for file in FILES
    for name, service in load(file, example_variables())["services"].items()
]
SECURED = [case for case in SERVICES if "insecure" not in str(case.values[0])]


def stage_of(service):
    return STAGES[service["build"]["target"]]


def arguments(service):
    """The command line, parsed by Flower."""
    return options_behind(stage_of(service).entrypoint, service["command"])


def test_every_machine_has_its_file():
    assert FILES == ["client-cpu.yaml", "client-gpu.yaml", "demo-insecure.yaml", "federation.yaml", "server.yaml"]


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_flower_accepts_every_command_line(file, name, service):
    arguments(service)


def test_a_command_line_of_an_older_flower_would_be_noticed():
    with pytest.raises(SystemExit):
        options_of("flower-supernode", ["--superlink=superlink:9092", "--clientappio-api-address=0.0.0.0:9094"])


@pytest.mark.parametrize(("file", "name", "service"), SECURED)
def test_tls_and_authentication_are_on_with_keys_that_are_mounted_read_only(file, name, service):
    given = arguments(service)
    assert not given.insecure
    if stage_of(service).name == "server":
        assert given.enable_supernode_auth
        paths = [given.ssl_ca_certfile, given.ssl_certfile, given.ssl_keyfile]
        files = [certificates.CA_CERTIFICATE, certificates.SERVER_CERTIFICATE, certificates.SERVER_KEY]
    else:
        paths = [given.root_certificates, given.auth_supernode_private_key]
        files = [certificates.CA_CERTIFICATE, certificates.CLIENT_KEY]
    assert paths == [f"/certs/{file}" for file in files]
    (mount,) = [volume for volume in service["volumes"] if target(volume) == "/certs"]
    assert mount.endswith(":/certs:ro")


def test_the_mounted_folders_are_those_that_florg_certs_makes(tmp_path):
    values = {**example_variables(), "CERTS": str(tmp_path)}
    certificates.make_certificates(
        tmp_path, [values["SUPERLINK_HOST"]], certificates.client_names(values["NUM_PARTITIONS"]), days=2
    )
    for file in FILES:
        for service in load(file, values)["services"].values():
            for volume in service["volumes"]:
                if target(volume) == "/certs":
                    source = tmp_path / volume.split(":")[0]
                    assert {"ca.crt"} < {path.name for path in source.iterdir()}, f"{file}: {source}"


@pytest.mark.parametrize("name", ["superlink", "supernode-0", "supernode-1"])
def test_the_insecure_demo_says_so_in_each_command_and_listens_on_loopback(name):
    service = load("demo-insecure.yaml", example_variables())["services"][name]
    assert arguments(service).insecure
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_ports_hosts_and_health_checks_agree(file, name, service):
    given, stage = arguments(service), stage_of(service)
    url = service["environment"].get("HEALTH_URL", stage.env["HEALTH_URL"])
    secure_server = stage.name == "server" and not given.insecure
    assert url == f"{'https' if secure_server else 'http'}://127.0.0.1:{given.port}/health"
    authority = service["environment"].get("HEALTH_CA", stage.env.get("HEALTH_CA", ""))
    assert bool(authority) == secure_server
    if stage.name == "server":
        assert given.host == "0.0.0.0"  # the container's own; what is reachable from outside is in `ports`
        assert stage.exposed == [str(given.port)]
        (published,) = service["ports"]
        assert published.rsplit(":", 1)[1] == str(given.port)
    else:
        assert given.host == "127.0.0.1"
        assert "ports" not in service
        host, _, port = given.superlink.rpartition(":")
        assert host in ("superlink", example_variables()["SUPERLINK_HOST"])
        assert port == (example_variables()["SUPERLINK_PORT"] if host != "superlink" else "8000")


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_every_written_path_is_a_volume_that_the_images_user_owns(file, name, service):
    document = load(file, example_variables())
    mounts = {target(volume): volume.split(":")[0] for volume in service["volumes"]}
    stage = stage_of(service)
    for place in ("/state", "/cache", *(["/outputs"] if stage.name == "server" else [])):
        assert mounts[place] in document["volumes"]
        assert place in stage.owned
    assert stage.env["HF_HOME"] in mounts
    assert any(stage.env["FLWR_HOME"].startswith(f"{place}/") for place in mounts)
    assert stage.workdir in mounts
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    if "/data" in mounts:
        assert f"{mounts['/data']}:/data:ro" in service["volumes"]


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_images_are_pinned_to_this_version_and_run_without_privileges(file, name, service):
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    variant = service["build"]["args"]["VARIANT"]
    suffix = f"-{variant}" if stage_of(service).name == "client" else ""
    assert service["image"] == f"florg-{stage_of(service).name}:{version}{suffix}"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service.get("user") is None  # that of the image


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_values_ofs_are_what_the_client_reads(file, name, service):
    if stage_of(service).name != "client":
        return
    node = values_of(arguments(service).node_config)
    mounts = {target(volume) for volume in service["volumes"]}
    which, total = partition(node)
    assert 0 <= which < total
    assert set(node) <= {"partition-id", "num-partitions", "client-name", "data-path", "state-dir"}
    assert ("/data" in mounts) == ("data-path" in node)
    if "state-dir" in node:
        assert node["state-dir"].startswith("/state/")
        assert node["client-name"]


def test_the_clients_of_a_federation_have_different_partitions_names_and_states():
    for file in ("federation.yaml", "demo-insecure.yaml"):
        services = load(file, example_variables())["services"]
        nodes = [service for name, service in services.items() if name.startswith("supernode")]
        assert len({arguments(service).node_config for service in nodes}) == len(nodes) == 2
        assert len({volume for service in nodes for volume in service["volumes"] if target(volume) == "/state"}) == 2
        assert all(service["depends_on"] == {"superlink": {"condition": "service_healthy"}} for service in nodes)


def test_only_the_gpu_client_reserves_one_and_gets_torch_with_cuda():
    for case in SERVICES:
        file, _, service = case.values
        devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
        gpu = file == "client-gpu.yaml"
        assert [device["capabilities"] for device in devices] == ([["gpu"]] if gpu else [])
        assert service["build"]["args"]["VARIANT"] == ("cuda" if gpu else "cpu")


def test_every_variable_is_in_the_example_and_explained_and_every_one_there_is_used():
    used = {name for path in DOCKER.glob("*.yaml") for name in VARIABLE.findall(path.read_text())}
    assert used == set(example_variables())
    lines = (DOCKER / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert lines[number - 1].startswith("# ") or lines[number - 2].startswith("# "), f"{line} is not explained"


def test_the_images_have_the_environment_that_florg_run_gives_flower():
    wanted = {key: value for key, value in environment({}).items() if key.startswith(("FLWR", "TOKEN", "PYTHON"))}
    for name in ("server", "client"):
        assert wanted.items() <= STAGES[name].env.items()
    assert all("HF_HUB_OFFLINE" in case.values[2]["environment"] for case in SERVICES)
