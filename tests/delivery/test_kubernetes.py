"""The Kubernetes example: the images, commands, ports, paths and rules of the compose files, in another form."""

import json
import re

import pytest
import yaml

from florg_app import certificates
from tests.delivery.test_compose import STAGES
from tests.support.compose import DOCKER, example_variables, load, partition
from tests.support.flower_internals import values_of
from tests.support.warm_options import options_behind

FOLDER = DOCKER / "kubernetes"
OBJECTS = {
    (document["kind"], document["metadata"]["name"]): document["spec"]
    for file in sorted(FOLDER.glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
}
SETS = {name: spec for (kind, name), spec in OBJECTS.items() if kind == "StatefulSet"}
SERVER, CLIENT = "florg-superlink", "florg-clinic-a"
SERVICE = OBJECTS["Service", "superlink"]


def pod(name):
    return SETS[name]["template"]["spec"]


def container(name):
    (only,) = pod(name)["containers"]
    return only


def stage(name):
    return STAGES["server" if name == SERVER else "client"]


def arguments(name):
    return options_behind(stage(name).entrypoint, container(name)["args"])


def mounts(name):
    return {mount["mountPath"]: mount for mount in container(name)["volumeMounts"]}


def test_there_are_a_server_a_client_and_nothing_else():
    assert list(SETS) == [SERVER, CLIENT]
    assert [kind for kind, _ in OBJECTS] == ["Service", "NetworkPolicy", "StatefulSet", "StatefulSet"]


@pytest.mark.parametrize(
    ("name", "file", "service"), [(SERVER, "server.yaml", "superlink"), (CLIENT, "client-gpu.yaml", "supernode")]
)
def test_image_and_command_are_those_of_the_compose_file(name, file, service):
    values = {**example_variables(), "SUPERLINK_HOST": "superlink", "CLIENT_NAME": "clinic-a"}
    composed = load(file, values)["services"][service]
    assert container(name)["image"] == composed["image"]
    assert arguments(name) == options_behind(stage(name).entrypoint, composed["command"])


@pytest.mark.parametrize("name", SETS)
def test_the_secret_holds_what_florg_certs_makes_and_only_the_pod_reads_it(name, tmp_path):
    certificates.make_certificates(tmp_path, ["superlink"], ["clinic-a"], days=2)
    (secret,) = [volume["secret"] for volume in pod(name)["volumes"] if "secret" in volume]
    text = (FOLDER / ("superlink.yaml" if name == SERVER else "supernode.yaml")).read_text()
    created = re.search(r"create secret generic (\S+) --from-file=certs/(\S+)", text)
    assert created is not None
    assert secret == {"secretName": created[1], "defaultMode": 0o440}
    given = {path for path in vars(arguments(name)).values() if str(path).startswith("/certs/")}
    assert len(given) >= 2
    assert given <= {f"/certs/{path.name}" for path in (tmp_path / created[2]).iterdir()}
    assert mounts(name)["/certs"]["readOnly"] is True


@pytest.mark.parametrize("name", SETS)
def test_every_written_path_is_mounted_and_every_mount_has_a_volume(name):
    claims = {claim["metadata"]["name"] for claim in SETS[name]["volumeClaimTemplates"]}
    volumes = claims | {volume["name"] for volume in pod(name)["volumes"]}
    assert {mount["name"] for mount in mounts(name).values()} == volumes
    for place in (*stage(name).owned, stage(name).env["HF_HOME"], stage(name).workdir):
        if place != "/outputs" or name == SERVER:
            assert mounts(name)[place]["name"] in claims, place
    assert "/tmp" in mounts(name)


@pytest.mark.parametrize("name", SETS)
def test_pods_run_as_the_images_user_without_privileges_on_a_read_only_root(name):
    context, own = pod(name)["securityContext"], container(name)["securityContext"]
    user = int(stage(name).user.split(":")[0])
    assert {context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {user}
    assert context["runAsNonRoot"] is True
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", SETS)
def test_probes_ask_as_the_image_does(name):
    probes = [probe for key, probe in container(name).items() if key.endswith("Probe")]
    assert len(probes) == (3 if name == SERVER else 2)
    command = json.loads(stage(name).healthcheck.rpartition("CMD ")[2])
    assert all(probe["exec"]["command"] == command and probe["timeoutSeconds"] == 5 for probe in probes)


def test_the_service_leads_to_the_port_that_clients_call_and_the_policy_lets_them_alone_in():
    (port,) = SERVICE["ports"]
    (published,) = container(SERVER)["ports"]
    assert published == {"name": port["targetPort"], "containerPort": arguments(SERVER).port}
    assert arguments(CLIENT).superlink == f"superlink:{port['port']}"
    policy = OBJECTS["NetworkPolicy", SERVER]
    assert SERVICE["selector"] == policy["podSelector"]["matchLabels"] == SETS[SERVER]["template"]["metadata"]["labels"]
    (rule,) = policy["ingress"]
    (allowed,) = rule["from"]
    assert allowed["podSelector"]["matchLabels"].items() <= SETS[CLIENT]["template"]["metadata"]["labels"].items()
    assert rule["ports"] == [{"port": published["name"]}]


@pytest.mark.parametrize("name", SETS)
def test_a_set_selects_its_own_pods(name):
    assert SETS[name]["selector"]["matchLabels"] == SETS[name]["template"]["metadata"]["labels"]
    assert SETS[name]["replicas"] == 1


def test_the_client_reads_its_own_rows_and_its_values_of_is_complete():
    node = values_of(arguments(CLIENT).node_config)
    assert partition(node) == (0, 2)
    assert mounts(CLIENT)[node["data-path"]]["readOnly"] is True
    assert node["state-dir"].startswith("/state/")
    assert node["client-name"] == SETS[CLIENT]["template"]["metadata"]["labels"]["client"]
    assert container(CLIENT)["resources"]["limits"]["nvidia.com/gpu"] == 1
