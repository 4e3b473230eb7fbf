"""A federation from one file: every machine gets what its part needs and no more, and every command is one."""

import configparser
import re
import shlex
import shutil
import ssl
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from florg_app.federation.start import ENVIRONMENT
from tests.delivery.test_kubernetes import FOLDER as KUBERNETES
from tests.documents.test_commands import CHECKS
from tests.support import patience
from tests.support.compose import example_variables, load, partition
from tests.support.documents import shell_commands
from tests.support.flower_internals import options_of, values_of
from tests.support.made_federation import TWO, made, printed_by
from tests.support.processes import BIN, await_health, end, free_port
from tests.support.repository import REPOSITORY
from tests.support.warm_options import options_behind, warm_options_of


@pytest.fixture(scope="module")
def federation(tmp_path_factory):
    return made(tmp_path_factory.mktemp("federation"))


def test_every_machine_has_its_folder_and_the_authority_s_key_is_in_none_of_them(federation):
    keys = [path for path in federation.rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text()]
    names = sorted(str(path.relative_to(federation)) for path in keys)
    assert names == ["ca/ca.key", "clients/clinic-a/client.key", "clients/clinic-b/client.key", "server/server.key"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
    authority = (federation / "ca/ca.key").read_text()
    others = [path for path in federation.rglob("*") if path.is_file() and path.parent.name != "ca"]
    assert all(authority.splitlines()[1] not in path.read_text() for path in others)
    for folder in ("server", "clients/clinic-a", "clients/clinic-b"):
        names = {path.name for path in (federation / folder).iterdir()}
        assert {"ca.crt", "README.md", "start.sh", "compose.yaml", "kubernetes.yaml"} <= names
        assert len([name for name in names if name.endswith(".service")]) == 1
        assert ("job.sbatch" in names) == (folder != "server")


def test_the_certificate_has_the_server_s_names_and_days(federation):
    found = x509.load_pem_x509_certificate((federation / "server/server.crt").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"superlink", "10.0.0.7"} <= {str(name.value) for name in names}
    assert (found.not_valid_after_utc - found.not_valid_before_utc).days == 825


def test_the_scripts_start_what_flower_and_florg_accept_with_files_that_are_there(federation, tmp_path):
    words, variables = printed_by(federation / "server/start.sh", tmp_path)
    assert words[0] == "flower-superlink"
    given = options_of(words[0], words[1:])
    assert given.enable_supernode_auth
    assert not given.insecure
    files = [given.ssl_ca_certfile, given.ssl_certfile, given.ssl_keyfile]
    assert all(Path(path).is_file() for path in files)
    assert Path(given.database).parent == federation / "server/state"
    assert variables.items() >= ENVIRONMENT.items()
    for number, (name, rows, port) in enumerate(
        [("clinic-a", "/srv/rows", 9094), ("clinic-b", "/srv/more rows", 9095)]
    ):
        words, _ = printed_by(federation / f"clients/{name}/start.sh", tmp_path)
        assert words[:2] == ["florg", "supernode"]
        given = warm_options_of(words[2:])
        assert (given.superlink, given.port) == ("superlink:8000", port)
        assert all(Path(path).is_file() for path in (given.root_certificates, given.auth_supernode_private_key))
        node = values_of(given.node_config)
        assert partition(node)[0] == number
        assert (node["data-path"], node["client-name"]) == (rows, name)
        assert node["state-dir"] == str(federation / f"clients/{name}/state")


def units(federation):
    return sorted(federation.rglob("*.service"))


def unquoted(line):
    """The words of a line of systemd: quotation as in a shell, its own signs doubled."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


def test_the_units_start_what_the_scripts_start_from_the_places_of_the_readme(federation, tmp_path):
    for unit in units(federation):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read(unit)
        service = parser["Service"]
        program, *words = unquoted(service["ExecStart"])
        assert program == f"/opt/florg/.venv/bin/{'flower-superlink' if unit.parent.name == 'server' else 'florg'}"
        by_hand, _ = printed_by(unit.parent / "start.sh", tmp_path)
        here = str(unit.parent)
        kept = "/var/lib/florg/memory" if "clients" in str(unit) else "/var/lib/florg"
        expected = [word.replace(f"{here}/state", kept).replace(here, "/etc/florg") for word in by_hand[1:]]
        assert words == expected
        assert (service["User"], service["StateDirectory"]) == ("florg", "florg")
        readme = (unit.parent / "README.md").read_text()
        assert f"/etc/systemd/system/ && sudo systemctl enable --now {unit.name}" in readme
        assert "sudo cp -r . /etc/florg" in readme


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    project = tmp_path / "project/.venv"
    project.mkdir(parents=True)
    (project / "bin").symlink_to(BIN)
    place = f'project = "{project.parent}"\n'
    text = TWO.replace("[server]\n", f"[server]\n{place}").replace("[[site]]\n", f"[[site]]\n{place}")
    text = text.replace("/srv/more rows", "/srv/100% of $rows")
    for unit in units(made(tmp_path, text)):
        done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
        own = [line for line in done.stderr.splitlines() if unit.name in line or str(tmp_path) in line]
        assert (done.returncode, own) == (0, []), done.stderr
    broken = tmp_path / "florg-broken.service"
    broken.write_text("[Service]\nExecStart=/nowhere/florg\nRestrt=always\n")
    done = subprocess.run(["systemd-analyze", "verify", str(broken)], capture_output=True, text=True, check=False)
    assert "nowhere" in done.stderr  # it looks


@pytest.mark.parametrize(
    ("ours", "file", "service"),
    [("server", "server.yaml", "superlink"), ("clients/clinic-a", "client-gpu.yaml", "supernode"),
     ("clients/clinic-b", "client-cpu.yaml", "supernode")],
)  # fmt: skip
def test_the_compose_files_are_those_of_the_images_for_this_machine(ours, file, service, federation):
    number, name = (1, "clinic-b") if ours.endswith("b") else (0, "clinic-a")
    values = {**example_variables(), "SUPERLINK_HOST": "superlink", "CLIENT_NAME": name, "SUPERLINK_BIND": "0.0.0.0"}
    values |= {"PARTITION_ID": str(number), "NUM_PARTITIONS": str(number + 1)}
    theirs = load(file, values)["services"][service]
    own = yaml.safe_load((federation / ours / "compose.yaml").read_text())["services"][service]
    entry = ["flower-superlink"] if service == "superlink" else ["python", "-m", "warm"]
    assert options_behind(entry, own["command"]) == options_behind(entry, theirs["command"])
    different = {"build", "volumes", "command", "environment"}
    assert own["environment"] == {name: str(value) for name, value in theirs["environment"].items()}
    assert {key: own[key] for key in own.keys() - different} == {key: theirs[key] for key in theirs.keys() - different}
    mounted = {volume.split(":")[1] for volume in own["volumes"]}
    assert {re.sub(r"^/certs/.*", "/certs", place) for place in mounted} == {
        volume.split(":")[1] for volume in theirs["volumes"]
    }
    keys = [volume for volume in own["volumes"] if ":/certs/" in volume]
    assert all(volume.endswith(":ro") and (federation / ours / volume.split(":")[0]).is_file() for volume in keys)


def test_the_kubernetes_objects_are_those_of_the_example(federation):
    def objects(path):
        return list(yaml.safe_load_all(path.read_text()))

    assert objects(federation / "server/kubernetes.yaml") == objects(KUBERNETES / "superlink.yaml")
    (own,) = objects(federation / "clients/clinic-a/kubernetes.yaml")
    (example,) = objects(KUBERNETES / "supernode.yaml")
    both = [each["spec"]["template"]["spec"]["containers"][0].pop("args") for each in (own, example)]
    assert own == example
    given, expected = (options_behind(["python", "-m", "warm"], words) for words in both)
    nodes = [values_of(options.node_config) for options in (given, expected)]
    assert nodes[0] | {"num-partitions": 2} == nodes[1]
    (cpu,) = objects(federation / "clients/clinic-b/kubernetes.yaml")
    container = cpu["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith("-cpu")
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    shared = made_shared(federation)
    (without,) = objects(shared / "clients/one/kubernetes.yaml")
    spec = without["spec"]["template"]["spec"]
    assert "data" not in {volume["name"] for volume in spec["volumes"]}
    assert "/data" not in {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}


def made_shared(federation):
    """A federation whose sites share out the task's rows."""
    folder = federation.parent / "shared"
    folder.mkdir(exist_ok=True)
    sites = "".join(f'[[site]]\nname = "{name}"\n' for name in ("one", "two", "three"))
    return made(folder, f'[server]\nnames = ["localhost"]\n{sites}')


def test_sites_without_rows_of_their_own_share_out_those_of_the_task(federation, tmp_path):
    shared = made_shared(federation)
    found = []
    for name in ("one", "two", "three"):
        words, _ = printed_by(shared / f"clients/{name}/start.sh", tmp_path)
        node = values_of(warm_options_of(words[2:]).node_config)
        assert "data-path" not in node
        found.append(partition(node))
    assert found == [(0, 3), (1, 3), (2, 3)]


def test_the_jobs_are_scripts_whose_options_slurm_has(federation):
    for name, gpu in (("clinic-a", True), ("clinic-b", False)):
        job = federation / f"clients/{name}/job.sbatch"
        subprocess.run(["bash", "-n", str(job)], check=True)
        options = re.findall(r"^#SBATCH (--[a-z-]+)=(\S+)$", job.read_text(), re.MULTILINE)
        assert len(options) == job.read_text().count("#SBATCH")
        assert ("--gres", "gpu:1") in options if gpu else "--gres" not in dict(options)
        assert job.read_text().rstrip().endswith('exec bash "$SLURM_SUBMIT_DIR/start.sh"')
        assert "sbatch job.sbatch" in (job.parent / "README.md").read_text()


UNLOOKED = {"sudo", "sbatch", "mkdir", "cat", "export", "bash", "kubectl"}


def test_every_command_of_the_readmes_is_one_with_files_that_are_there(federation):
    count = 0
    for readme in sorted(federation.rglob("README.md")):
        blocks = re.findall(r"^```sh\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
        for words in (words for block in blocks for words in shell_commands(block)):
            count += 1
            program, *rest = words
            if program == "docker" and rest[0] == "compose":
                assert rest == ["compose", "up", "-d"]
            elif program == "docker":
                assert (rest[0], rest[-1]) == ("build", ".")
                assert (REPOSITORY / rest[rest.index("-f") + 1]).is_file()
                assert (
                    rest[rest.index("-t") + 1]
                    == yaml.safe_load((readme.parent / "compose.yaml").read_text())["services"][
                        ("superlink" if readme.parent.name == "server" else "supernode")
                    ]["image"]
                )
            elif program not in UNLOOKED:
                CHECKS[program](rest)
            files = [word.split("=")[-1] for word in words if re.search(r"\.(key|crt|pub|sh|yaml|sbatch)$", word)]
            files = [file for file in files if not file.startswith("docker/")]
            assert [file for file in files if not (readme.parent / file).is_file()] == [], words
    assert count > 40


def test_the_connection_and_the_registrations_of_the_operator(federation):
    text = (federation / "README.md").read_text()
    (connection,) = re.findall(r"<<EOF\n(.*?)EOF", text, re.DOTALL)
    found = tomllib.loads(connection)["superlink"]["hospitals"]
    assert found["address"] == "superlink:8000"
    assert Path(found["root-certificates"]).is_file()
    assert text.count("flwr supernode register") == 2
    assert "min-clients=2" in text


@pytest.mark.slow
def test_the_start_scripts_make_a_federation_that_lets_its_sites_in(tmp_path):
    port, own = free_port(), [free_port(), free_port()]
    sites = "".join(f'[[site]]\nname = "site-{n}"\nport = {each}\n' for n, each in enumerate(own))
    folder = made(tmp_path, f'name = "trial"\n[server]\nnames = ["localhost"]\nport = {port}\n{sites}')
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    running = []

    def start(script):
        log = (tmp_path / f"{script.parent.name}.log").open("wb")
        running.append(subprocess.Popen(["bash", str(script)], env=env, stdout=log, stderr=log, start_new_session=True))
        return running[-1]

    try:
        server = start(folder / "server/start.sh")
        await_health(server, port, tls=ssl.create_default_context(cafile=str(folder / "ca/ca.crt")), host="localhost")
        (block,) = [
            block
            for block in re.findall(r"^```sh\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
            if "register" in block
        ]
        subprocess.run(["bash", "-euc", block], cwd=folder, env=env, check=True, capture_output=True)
        for number in range(2):
            start(folder / f"clients/site-{number}/start.sh")

        def online():
            listed = subprocess.run(
                [BIN / "flwr", "supernode", "list", "trial"], env=env, capture_output=True, text=True, check=False
            )
            return listed.stdout.count("online") == 2

        patience.until("both sites are online", online)
    finally:
        for each in reversed(running):
            end(each)
