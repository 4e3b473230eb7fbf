"""The command `florg`: every subcommand under its name, in the order in which `florg --help` lists them."""

from typing import Annotated

import typer

from florg_app.cli.asking import chat_command, predict_command
from florg_app.cli.benchmark import benchmark_command
from florg_app.cli.compare import compare_command
from florg_app.cli.deployment import certs_command, doctor_command, supernode_command
from florg_app.cli.examples import epilog
from florg_app.cli.federation import invite_command, up_command
from florg_app.cli.imports import import_command
from florg_app.cli.init import init_command
from florg_app.cli.methods import methods_command
from florg_app.cli.partition import partition_command
from florg_app.cli.plan import plan_command
from florg_app.cli.push import push_command
from florg_app.cli.report import report_command
from florg_app.cli.results import evaluate_command, export_command, merge_command, show_command
from florg_app.cli.run import run_command
from florg_app.cli.version import say_versions
from florg_app.cli.watch import watch_command

app = typer.Typer(
    help="Federated low-rank fine-tuning with Flower: FLoRG and its baselines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def florg(
    version: Annotated[
        bool,
        typer.Option("--version", callback=say_versions, is_eager=True, help="Say which version this is, and exit."),
    ] = False,
) -> None:
    pass


for _name, _command in {
    "init": init_command,
    "import": import_command,
    "certs": certs_command,
    "up": up_command,
    "invite": invite_command,
    "doctor": doctor_command,
    "plan": plan_command,
    "run": run_command,
    "compare": compare_command,
    "partition": partition_command,
    "methods": methods_command,
    "watch": watch_command,
    "show": show_command,
    "report": report_command,
    "evaluate": evaluate_command,
    "benchmark": benchmark_command,
    "predict": predict_command,
    "chat": chat_command,
    "export": export_command,
    "merge": merge_command,
    "push": push_command,
}.items():
    app.command(_name, epilog=epilog(_name))(_command)

app.command(
    "supernode",
    epilog=epilog("supernode"),
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]},
)(supernode_command)
