"""Two examples of every command, which its `--help` ends with. As they would be typed."""

EXAMPLE_RUN = "runs/20261121-021736-florg-811a"

COMMAND_EXAMPLES: dict[str, tuple[str, str]] = {
    "init": ("florg init ward", "florg init answers --task instruct"),
    "import": (
        "florg import flowertune/pyproject.toml",
        "florg import run_sft.sh openfedllm.toml --method fedit",
    ),
    "certs": (
        "florg certs certs --server-name server.example --clients clinic-a,clinic-b",
        "florg certs certs --clients clinic-c",
    ),
    "up": ("florg up federation.toml", "florg up federation.toml --output hospitals"),
    "invite": (
        "florg invite clinic-c --data-path /srv/florg/rows --gpu",
        "florg invite clinic-c --data-path /srv/rows --file hospitals.toml --output hospitals",
    ),
    "doctor": ("florg doctor --config conf/minilm-sst2.toml", "florg doctor --connection hospitals --data-path data"),
    "plan": (
        "florg plan --config conf/minilm-sst2.toml --clients 20 --output plan.png",
        "florg plan --methods florg,fedit,fedex-lora --set adapter.rank=8 --tokens 128 --examples 500 --json",
    ),
    "run": (
        "florg run --clients 10 --config conf/minilm-sst2.toml --set strategy.name=fedit",
        "florg run --inline --set num-server-rounds=2 --set checkpoint.best=loss",
    ),
    "compare": ("florg compare conf/compare/tiny.toml --jobs 2", "florg compare conf/compare/tiny.toml --report-only"),
    "partition": (
        "florg partition --config conf/minilm-sst2.toml --clients 20",
        "florg partition --set partition.alpha=0.1 --output skewed.png",
    ),
    "methods": ("florg methods", "florg methods --options"),
    "watch": (f"florg watch {EXAMPLE_RUN}", f"florg watch {EXAMPLE_RUN} --plain --once"),
    "show": (f"florg show {EXAMPLE_RUN}", "florg show runs/tiny/cells/iid/florg/seed-1-0f3a9c21"),
    "report": (f"florg report {EXAMPLE_RUN}", "florg report runs/florg runs/fedit --output side-by-side"),
    "evaluate": (f"florg evaluate {EXAMPLE_RUN}", f"florg evaluate {EXAMPLE_RUN} --best --device cuda"),
    "benchmark": (
        "florg benchmark answers/run/merged --tasks hellaswag,arc_easy --limit 100",
        "florg benchmark answers/run --tasks ward_questions --include ward/tasks --output scores.json",
    ),
    "predict": (
        f"florg predict {EXAMPLE_RUN} 'a red dog runs' 'a dog runs'",
        "florg predict ward/run/adapter ward/rows/validation.csv --json",
    ),
    "chat": (f"florg chat {EXAMPLE_RUN}", "florg chat answers/run/merged --max-new-tokens 64"),
    "merge": (f"florg merge {EXAMPLE_RUN} model", f"florg merge {EXAMPLE_RUN} model --best"),
    "push": (
        "florg push ward/run/adapter me/ward --dry-run",
        "florg push ward/run/merged me/ward --public",
    ),
    "export": (f"florg export {EXAMPLE_RUN} --best", f"florg export {EXAMPLE_RUN} --merged --output model"),
    "supernode": (
        "florg supernode --insecure --superlink localhost:9092 --node-config 'partition-id=0 num-partitions=2'",
        "florg supernode --help",
    ),
}


def epilog(command: str) -> str:
    """What the help of a command ends with: an empty line between lines, or the terminal would join them."""
    return "\n\n".join(["Examples:", *COMMAND_EXAMPLES[command]])
