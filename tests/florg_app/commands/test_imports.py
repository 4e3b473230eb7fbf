"""Experiments of other programs become settings that this one takes, and nothing of them is lost in silence."""

import json
import shlex
import tomllib

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.commands.imports.flowertune import FLOWERTUNE_RULES
from florg_app.commands.imports.nvflare import NVFLARE_RULES
from florg_app.commands.imports.openfedllm import OPENFEDLLM_RULES
from florg_app.commands.imports.shell import command_line, flags
from florg_app.commands.imports.translation import Becomes
from florg_app.config.parse import default_settings, parse_settings
from florg_app.config.runconfig import flatten_tables

FLOWERTUNE = """\
[tool.flwr.app.config]
dataset.name = "vicgalle/alpaca-gpt4"
model.name = "some/model"
model.quantization = 4
model.gradient-checkpointing = true
model.lora.peft-lora-r = 32
model.lora.peft-lora-alpha = 64
train.learning-rate-max = 5e-5
train.learning-rate-min = 1e-6
train.seq-length = 512
train.training-arguments.per-device-train-batch-size = 16
train.training-arguments.gradient-accumulation-steps = 2
train.training-arguments.num-train-epochs = 3
train.training-arguments.max-steps = 10
train.training-arguments.logging-steps = 10
strategy.fraction-fit = 0.1
strategy.fraction-evaluate = 0.0
num-server-rounds = 100
wandb.project = "mine"

[tool.flwr.federations]
default = "local"

[tool.flwr.federations.local]
options.num-supernodes = 20
"""

OPENFEDLLM = """\
max_steps=10
lr=5e-5
export model="meta-llama/Llama-2-7b-hf"
CUDA_VISIBLE_DEVICES=2 python main_sft.py \\
 --learning_rate $lr \\
 --model_name_or_path ${model} \\
 --dataset_name databricks/databricks-dolly-15k \\
 --fed_alg fedavg --num_clients 20 --sample_clients 2 \\
 --max_steps $max_steps --num_rounds 200 --batch_size 8 --gradient_accumulation_steps 4 --seq_length 384 \\
 --peft_lora_r 16 --peft_lora_alpha 32 --use_peft --load_in_8bit --template "alpaca"
"""

CLIENT = {
    "executors": [
        {"executor": {"args": {"task_script_args": "--model_name_or_path EleutherAI/gpt-neo-1.3B --train_mode PEFT"}}}
    ],
    "task_result_filters": [{"filters": [{"path": "q", "args": {"quantization_type": "blockwise8"}}]}],
}
SERVER = {"workflows": [{"args": {"num_clients": 3, "num_rounds": 5}}]}


def imported(folder, name, text, *options):
    """What `florg import` prints, and the settings of the file that it writes."""
    (folder / name).write_text(text)
    return read(folder / name, folder, *options)


def read(source, folder, *options):
    output = folder / "ours.toml"
    result = CliRunner().invoke(app, ["import", str(source), str(output), *options])
    assert result.exit_code == 0, result.output
    text = output.read_text()
    return result.stdout, flatten_tables(tomllib.loads(text)), text


def without_counterpart(text):
    return {line[2:].split(" = ")[0] for line in text.split("# Without a counterpart:\n")[1].splitlines()}


def test_flowertune_becomes_fedit_with_the_same_batches_ranks_and_rounds(tmp_path):
    printed, settings, text = imported(tmp_path, "pyproject.toml", FLOWERTUNE)
    parsed = parse_settings(settings)
    assert (parsed.strategy.name, parsed.num_server_rounds, parsed.fraction_train) == ("fedit", 100, 0.1)
    assert (parsed.adapter.rank, parsed.adapter.alpha, parsed.adapter.dropout) == (32, 64.0, 0.075)
    assert (parsed.train.batch_size, parsed.train.micro_batch_size, parsed.train.max_steps) == (32, 16, 10)
    assert (parsed.model.name, parsed.model.quantization, parsed.model.dtype) == ("some/model", "4bit", "bfloat16")
    assert (parsed.task.name, parsed.task.max_length, parsed.train.learning_rate) == ("instruct", 512, 5e-5)
    assert printed.rstrip().endswith(f"florg run --config {tmp_path / 'ours.toml'} --clients 20")
    assert "vicgalle/alpaca-gpt4 are read from files" in printed
    lost = without_counterpart(text)
    assert {"train.learning-rate-min", "strategy.fraction-evaluate", "wandb.project"} <= lost
    assert "train.training-arguments.num-train-epochs" in lost, "max-steps decides there"
    assert all(name in printed for name in lost)


def test_a_command_line_of_openfedllm_with_its_variables_and_its_defaults(tmp_path):
    printed, settings, text = imported(tmp_path, "run_sft.sh", OPENFEDLLM)
    parsed = parse_settings(settings)
    assert (parsed.strategy.name, parsed.num_server_rounds, parsed.fraction_train) == ("fedit", 200, 0.1)
    assert (parsed.adapter.rank, parsed.adapter.alpha, parsed.adapter.dropout) == (16, 32.0, 0.05)
    assert (parsed.train.batch_size, parsed.train.micro_batch_size, parsed.train.learning_rate) == (32, 8, 5e-5)
    assert (parsed.model.name, parsed.model.quantization) == ("meta-llama/Llama-2-7b-hf", "8bit")
    assert (parsed.task.name, parsed.task.max_length, parsed.task.max_train_rows) == ("dolly", 384, 20000)
    assert (parsed.seed, parsed.train.gradient_checkpointing) == (2023, True), "the defaults of its config.py"
    assert "--clients 20" in printed
    assert {"template", "(its schedule)"} <= without_counterpart(text)


def test_the_arguments_that_a_run_of_openfedllm_leaves_give_the_same(tmp_path):
    script = {"learning_rate": 5e-5, "use_peft": True, "peft_lora_r": 16, "seq_length": 384}
    federation = {"fed_alg": "fedavg", "num_clients": 20, "sample_clients": 2, "num_rounds": 200}
    document = json.dumps({"script_args": script, "fed_args": federation})
    _, settings, _ = imported(tmp_path, "args.json", document)
    parsed = parse_settings(settings)
    assert (parsed.adapter.rank, parsed.num_server_rounds, parsed.fraction_train) == (16, 200, 0.1)


def test_a_job_of_nvflare_by_its_folder_and_by_its_command_line(tmp_path):
    for site in ("a", "b"):
        place = tmp_path / f"job/app_{site}/config"
        place.mkdir(parents=True)
        (place / "config_fed_client.json").write_text(json.dumps(CLIENT))
    server = tmp_path / "job/app_server/config"
    server.mkdir(parents=True)
    (server / "config_fed_server.json").write_text(json.dumps(SERVER))
    printed, settings, text = read(tmp_path / "job", tmp_path)
    parsed = parse_settings(settings)
    assert (parsed.strategy.name, parsed.num_server_rounds, parsed.min_clients) == ("fedit", 5, 3)
    assert (parsed.adapter.rank, parsed.adapter.alpha, parsed.adapter.dropout) == (64, 16.0, 0.1)
    assert (parsed.train.batch_size, parsed.train.micro_batch_size, parsed.train.max_grad_norm) == (40, 4, 0.3)
    assert (parsed.model.name, parsed.task.max_length) == ("EleutherAI/gpt-neo-1.3B", 1024)
    assert "quantize_mode" in without_counterpart(text)
    assert "florg up" in printed
    (tmp_path / "ours.toml").unlink()
    line = "python3 job.py --client_ids dolly hospital-1 --train_mode SFT --num_rounds 7 --local_epoch 2 --gpu [0],[1]"
    _, settings, text = imported(tmp_path, "run.sh", line)
    parsed = parse_settings(settings)
    assert (parsed.strategy.name, parsed.num_server_rounds, parsed.min_clients) == ("fedavg", 7, 2)
    assert (parsed.train.epochs, parsed.train.batch_size, parsed.train.micro_batch_size) == (2, 40, 2)
    assert "dolly, hospital-1" in text


@pytest.mark.parametrize("rules", [FLOWERTUNE_RULES, OPENFEDLLM_RULES, NVFLARE_RULES])
def test_every_rule_names_a_setting_that_there_is_or_says_why_there_is_none(rules):
    for rule in rules.values():
        assert rule.key in default_settings() if isinstance(rule, Becomes) else rule.strip()


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("x.toml", "[tool.flwr.app.config]\nseed = 1\n", "has no model.lora"),
        ("x.toml", "[tool]\n", "it has no [tool.flwr.app.config]"),
        ("x.toml", "[tool", "x.toml"),
        ("x.toml", FLOWERTUNE.replace("quantization = 4", "quantization = 5"), "model.quantization = 5: no value"),
        ("x.toml", FLOWERTUNE.replace("lora-r = 32", "lora-r = 0"), "adapter.rank = 0: expected"),
        ("x.json", "{", "is no JSON"),
        ("x.json", "{}", "nothing of an llm_hf job is in there"),
        ("x.sh", "python train.py\n", "of none of the programs that are known"),
        ("x.sh", OPENFEDLLM.replace("lr=5e-5\n", ""), "$lr has no value in the script"),
        ("x.sh", OPENFEDLLM.replace("fed_alg fedavg", "fed_alg scaffold"), "fed_alg = scaffold: it is not here"),
        ("x.sh", OPENFEDLLM.replace("--load_in_8bit", "--load_in_8bit --load_in_4bit"), "both set"),
        ("x.sh", "python job.py --train_mode DPO --client_ids a", "train_mode = DPO: expected SFT or PEFT"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_written(name, text, problem, tmp_path):
    (tmp_path / name).write_text(text)
    result = CliRunner().invoke(app, ["import", str(tmp_path / name), str(tmp_path / "ours.toml")])
    assert result.exit_code == 2
    assert problem in result.stderr
    assert not (tmp_path / "ours.toml").exists()


def test_a_method_that_is_not_here_is_replaced_only_by_the_one_that_is_named(tmp_path):
    text = OPENFEDLLM.replace("fed_alg fedavg", "fed_alg scaffold")
    _, settings, _ = imported(tmp_path, "run.sh", text, "--method", "ffa-lora")
    assert settings["strategy.name"] == "ffa-lora"


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "p.toml").write_text(FLOWERTUNE)
    (tmp_path / "ours.toml").write_text("mine\n")
    result = CliRunner().invoke(app, ["import", str(tmp_path / "p.toml"), str(tmp_path / "ours.toml")])
    assert (result.exit_code, "is there already" in result.stderr) == (2, True)
    assert (tmp_path / "ours.toml").read_text() == "mine\n"


def test_the_printed_command_is_one(tmp_path):
    printed, _, _ = imported(tmp_path, "pyproject.toml", FLOWERTUNE)
    program, name, *rest = shlex.split(printed.splitlines()[-1])
    assert (program, name) == ("florg", "run")
    assert get_command(app).commands[name].make_context(name, rest).params["clients"] == 20


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--a", "1", "--b"], {"a": "1", "b": True}),
        (["--a", "x", "y", "--b=3"], {"a": ["x", "y"], "b": "3"}),
        (["--a-b", "-1"], {"a_b": "-1"}),
    ],
)
def test_flags_have_a_value_a_list_or_none(words, found):
    assert flags(words) == found


def test_a_program_that_is_not_started_has_no_command_line():
    assert command_line("echo not_main_sft.py\n", "main_sft.py") is None
    assert command_line("python3 a/main_sft.py --x 'a b' # why\n", "main_sft.py") == ["--x", "a b"]
