"""The folders of a federation, one for each machine: written once, and never over what is there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from florg_app.certificates import make_certificates
from florg_app.federation import compose, kubernetes, readme, systemd
from florg_app.federation.description import Federation, Site
from florg_app.federation.slurm import slurm_job
from florg_app.federation.start import HERE, start_script, superlink_words, supernode_words

README, SCRIPT, JOB = "README.md", "start.sh", "job.sbatch"
COMPOSE, KUBERNETES = "compose.yaml", "kubernetes.yaml"


@dataclass(frozen=True)
class WrittenFile:
    """A file of a bundle: where it lies below the federation's folder, and what became of it."""

    name: str
    state: str
    """made | kept (it is as it would be made) | differs (it is another one, and was left so)."""


def write_federation(federation: Federation, folder: Path) -> Iterator[WrittenFile]:
    """Make what is missing of a federation's folder: keys and certificates, and the files of every machine.

    Raises ValueError where the keys that are there are those of other names, OSError where nothing can be written.
    """
    server, names = federation.server, [site.name for site in federation.site]
    for made in make_certificates(folder, server.names, names, server.tls_days):
        yield WrittenFile(made.name, "made" if made.new else "kept")
    yield from _write(folder, "server", server_files(federation))
    for site in federation.site:
        yield from _write(folder, f"clients/{site.name}", site_files(federation, site))
    yield from _write(folder, "", {README: readme.operator_readme(federation, folder.absolute())})


def write_site(federation: Federation, site: Site, folder: Path) -> Iterator[WrittenFile]:
    """Make the keys and files of one site of a federation whose other parts are there. Raises as `write_federation`."""
    if not (folder / "ca").is_dir():
        raise ValueError(
            f"{folder} holds no authority (ca); make the federation with `florg up` first, or give --output"
        )
    for made in make_certificates(folder, [], [site.name], federation.server.tls_days):
        if made.name != "ca":
            yield WrittenFile(made.name, "made" if made.new else "kept")
    yield from _write(folder, f"clients/{site.name}", site_files(federation, site))


def server_files(federation: Federation) -> Mapping[str, str]:
    """By name: the files of the server's machine beside its keys."""
    here = superlink_words(federation.server.port, HERE, f"{HERE}/state/superlink.db")
    there = superlink_words(federation.server.port, systemd.KEYS_FOLDER, f"{systemd.STATE}/superlink.db")
    what = f"the SuperLink of {federation.name}"
    return {
        SCRIPT: start_script(what, here),
        systemd.SERVER_UNIT: systemd.systemd_unit(what, federation.server.project, there),
        COMPOSE: compose.server_compose(federation, _version()),
        KUBERNETES: kubernetes.server_objects(federation, _version()),
        README: readme.server_readme(federation, _version()),
    }


def site_files(federation: Federation, site: Site) -> Mapping[str, str]:
    """By name: the files of a site beside its keys."""
    here = supernode_words(federation, site, HERE, site.data_path, f"{HERE}/state")
    there = supernode_words(federation, site, systemd.KEYS_FOLDER, site.data_path, f"{systemd.STATE}/memory")
    what = f"the client {site.name} of {federation.name}"
    return {
        SCRIPT: start_script(what, here),
        systemd.CLIENT_UNIT: systemd.systemd_unit(what, site.project, there),
        JOB: slurm_job(site.name, site.gpu),
        COMPOSE: compose.client_compose(federation, site, _version()),
        KUBERNETES: kubernetes.client_objects(federation, site, _version()),
        README: readme.site_readme(federation, site, _version()),
    }


def _write(folder: Path, part: str, files: Mapping[str, str]) -> Iterable[WrittenFile]:
    for name, text in files.items():
        path = folder / part / name
        if path.exists():
            same = path.read_text(encoding="utf-8") == text
            yield WrittenFile(str(path.relative_to(folder)), "kept" if same else "differs")
        else:
            path.write_text(text, encoding="utf-8")
            yield WrittenFile(str(path.relative_to(folder)), "made")


def _version() -> str:
    """Of the images, which are those of this application."""
    try:
        return version("florg-app")
    except PackageNotFoundError:
        raise ValueError(
            "this application is not installed, so that its version is unknown; run make in its folder"
        ) from None
