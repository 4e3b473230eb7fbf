"""What whoever has a folder of a federation types: README.md of a site, of the server, and of the whole."""

from pathlib import Path
from shlex import quote

from florg_app.federation.description import Federation, Site
from florg_app.federation.systemd import CLIENT_UNIT, KEYS_FOLDER, SERVER_UNIT


def site_readme(federation: Federation, site: Site, version: str) -> str:
    """For the site: how to start its client, in five ways of which one is enough."""
    rows = f"\nIts rows are read from `{site.data_path}`, and stay there.\n" if site.data_path else ""
    check = f"florg doctor --data-path {quote(site.data_path)}" if site.data_path else "florg doctor"
    variant = "cuda" if site.gpu else "cpu"
    claim = f", and its rows in the claim `{site.name}-data`" if site.data_path else ""
    return f"""\
# {site.name}, a client of {federation.server.address}

`client.key` is the key of this client, and of no other: let only its own user read it. The client calls out, and
opens no port to others.
{rows}
The project has to be installed in `{site.project}` (its README says how). What would go wrong on this machine is said
by

```sh
export PATH="{site.project}/.venv/bin:$PATH"
{check}
```

One of the following starts the client. It is tried again until its key is registered.

In this terminal, from this folder:

```sh
bash start.sh
```

With the machine, by systemd:

```sh
sudo useradd --system --home-dir /var/lib/florg florg
sudo cp -r . {KEYS_FOLDER} && sudo chown -R florg: {KEYS_FOLDER} && sudo chmod 700 {KEYS_FOLDER}
sudo cp {CLIENT_UNIT} /etc/systemd/system/ && sudo systemctl enable --now {CLIENT_UNIT}
```

As a job of Slurm, from this folder; look at its limits first:

```sh
sbatch job.sbatch
```

In a container; the image is built in the project's folder, the other commands are typed in this one:

```sh
docker build -f docker/Dockerfile --target client --build-arg VARIANT={variant} -t florg-client:{version}-{variant} .
sudo chown -R 10001 client.key ca.crt
docker compose up -d
```

In Kubernetes, with that image in your registry{claim}:

```sh
kubectl create secret generic florg-{site.name} --from-file=ca.crt --from-file=client.key
kubectl apply -f kubernetes.yaml
```
"""


def server_readme(federation: Federation, version: str) -> str:
    """For the server's machine."""
    server = federation.server
    return f"""\
# The server of {federation.name}, {server.address}

**Whoever reaches the port {server.port} can start runs, and a run is code on every client**: Flower's control interface
has no login in its free edition. Let only the addresses of the sites and your own reach it.

The project has to be installed in `{server.project}` (its README). One of the following starts the server.

In this terminal, from this folder; results come into `runs/` here:

```sh
export PATH="{server.project}/.venv/bin:$PATH"
bash start.sh
```

With the machine, by systemd; results come into `/var/lib/florg/runs`:

```sh
sudo useradd --system --home-dir /var/lib/florg florg
sudo cp -r . {KEYS_FOLDER} && sudo chown -R florg: {KEYS_FOLDER} && sudo chmod 700 {KEYS_FOLDER}
sudo cp {SERVER_UNIT} /etc/systemd/system/ && sudo systemctl enable --now {SERVER_UNIT}
```

In a container; the image is built in the project's folder, the other commands are typed in this one:

```sh
docker build -f docker/Dockerfile --target server -t florg-server:{version} .
sudo chown -R 10001 server.key server.crt ca.crt
docker compose up -d
```

In Kubernetes, with that image in your registry; for clients in the same cluster `superlink` has to be among the names
of the certificate:

```sh
kubectl create secret generic florg-superlink --from-file=ca.crt --from-file=server.crt --from-file=server.key
kubectl apply -f kubernetes.yaml
```
"""


def operator_readme(federation: Federation, folder: Path) -> str:
    """For whoever starts runs: what goes where, and the commands that let clients in and start a run."""
    sites = "\n".join(f"| `clients/{site.name}` | the site {site.name} |" for site in federation.site)
    registered = "\n".join(register_command(federation, site) for site in federation.site)
    return f"""\
# {federation.name}

Copy each folder whole to its machine, over a channel that you trust; each has a README.md with what is typed there.

| folder | goes to |
|---|---|
| `server` | {federation.server.names[0]} |
{sites}
| `ca` | nobody: it has the key of the authority. Keep it, best offline; `florg invite` needs it |

Once the server runs, tell your Flower where it is, and the server who may take part, from this folder:

```sh
mkdir -p ~/.flwr
cat >> ~/.flwr/config.toml <<EOF
[superlink.{federation.name}]
address = "{federation.server.address}"
root-certificates = "{folder}/ca/ca.crt"
EOF
{registered}
```

Then, in the project's folder:

```sh
florg doctor --connection {federation.name}
flwr supernode list {federation.name}
florg run --connection {federation.name} --set min-clients={len(federation.site)}
```
"""


def register_command(federation: Federation, site: Site) -> str:
    """What lets a site in; typed from the folder of the federation."""
    return f"flwr supernode register clients/{site.name}/client.pub {federation.name} --name {site.name}"
