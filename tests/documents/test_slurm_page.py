"""The jobs of docs/slurm.md are scripts that a shell reads, with options of Slurm, and start what Flower accepts."""

import re
import subprocess

import pytest

from tests.support.compose import partition
from tests.support.documents import document
from tests.support.flower_internals import options_of, values_of
from tests.support.warm_options import warm_options_of

PAGE = document("docs/slurm.md")
JOBS = PAGE.blocks("bash")
OPTIONS = {"job-name", "nodes", "ntasks", "cpus-per-task", "mem", "time", "signal", "gres"}
PROGRAMS = ("florg", "flower-supernode", "flower-superexec", "srun")
PRINTING = '#!/usr/bin/env bash\nprintf \'%s\\n\' "${0##*/}" "$@" > "$CALLS/$$"\n'


def started_by(script, folder):
    """The words of each program that a job starts, with programs that write theirs into files."""
    programs, calls = folder / "programs", folder / "calls"
    for made in (programs, calls):
        made.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(PRINTING)
        (programs / name).chmod(0o755)
    (folder / "superexec.host").write_text("node7\n")
    env = {"PATH": f"{programs}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_ID": "41"}
    env |= {"SERVER": "server.example", "CALLS": str(calls)}
    subprocess.run(["bash", "-c", script], env=env, check=True, timeout=60)
    return sorted((path.read_text().splitlines() for path in calls.iterdir()), key=" ".join)


def test_there_are_four_ways():
    assert len(PAGE.headings) == 1 + 4
    assert len(JOBS) == 5  # the last way has two jobs


@pytest.mark.parametrize("script", JOBS)
def test_a_job_is_bash_with_options_of_slurm(script):
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    found = [re.fullmatch(r"#SBATCH --([a-z-]+)=\S+", line) for line in lines]
    assert all(found), lines
    assert {match[1] for match in found if match} <= OPTIONS
    assert script.splitlines()[1].startswith("#SBATCH"), "Slurm reads no option behind the first command"
    wanted = "B:TERM" if "exec " in script.split("set -eu")[1] else "TERM"
    assert re.search(rf"--signal={wanted}@\d+", script), "the shell alone, where it becomes the client; else all steps"


@pytest.mark.parametrize("script", JOBS)
def test_a_job_starts_what_the_program_accepts(script, tmp_path):
    nodes = []
    for program, *words in started_by(script, tmp_path):
        if program == "srun":
            program, *words = words[words.index("florg") :]
        if program == "florg":
            assert words[0] == "supernode"
            given = warm_options_of(words[1:])
        else:
            given = options_of(program, words)
        if program == "flower-superexec":
            assert given.runtime_api_address == "node7:9094"
            assert given.superexec_auth_secret_file == "superexec.secret"
            continue
        assert given.superlink == "server.example:8000"
        node = values_of(given.node_config)
        nodes.append((*partition(node), given.port, node["client-name"]))
        assert given.root_certificates == f"certs/clients/{node['client-name']}/ca.crt"
    several = "--ntasks=2" in script
    assert len(nodes) == (2 if several else 0 if "flower-superexec" in script else 1)
    assert len(set(nodes)) == len({port for _, _, port, _ in nodes}) == len(nodes)
    if "flower-supernode" in script:
        assert (tmp_path / "superexec.secret").stat().st_mode & 0o077 == 0
        assert len((tmp_path / "superexec.secret").read_text().strip()) >= 32
