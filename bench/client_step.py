"""What adapters cost in one training step: PEFT's LoRA, this project's, FLoRG with two kinds of bases, the head alone.

    python -m bench.client_step --device cpu --hidden 384 --layers 6 --lengths 16 32 64 128

The model is a BERT of random weights (time does not depend on their values), adapters on query and value. All variants
take turns within each repetition, so a slow moment of the machine hits them alike; ratios are medians over repetitions
of the ratio within one, to PEFT's, whose model has the same weights, inputs and optimizer. "no adapters" takes
gradients back through all layers and trains the head alone: adapters on the first layer can hardly be quicker. Peak
memory is the most that tensors touched in a step take at once, weights and bases among them, counted one by one. Time
is the process's own on a CPU (one thread by default), elapsed on a GPU. The factors B' and A' of all layers, forward
and backward, are timed apart: the one thing in which FLoRG and LoRA differ. Prints a table and writes JSON.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, get_peft_model
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, BertConfig, PreTrainedModel

from clients.adapted_model import AdaptedModel
from clients.adapters import GroupAdapter
from clients.backbone import DTYPES
from clients.device import resolve_device
from clients.seeding import scoped_seed
from clients.targets import find_targets, group_layers
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from florg_app.plan.without_numbers import LiveBytes
from strategies.method import Method
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.state import HEAD, HEAD_SYMBOL, State

PEFT, FLOOR = "peft lora", "no adapters"

VARIANTS: Mapping[str, Method | None] = {
    "head only": None,
    FLOOR: None,
    PEFT: None,
    "lora": FedIT(),
    "florg haar": FLoRG(),
    "florg signed": FLoRG(basis="signed-permutation"),
}
REFERENCE = PEFT
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, write."""
    options = parse()
    device = resolve_device(options.device, "--device")
    torch.set_num_threads(options.threads)
    variants = {
        name: adapt_by_peft(options, device) if name == PEFT else adapt(method, options, device)
        for name, method in VARIANTS.items()
    }
    variants[FLOOR].model.enable_input_require_grads()
    factors = {name: measure_factors(variants[name], method, options.rank, device) for name, method in VARIANTS.items()}
    rows = [row for length in options.lengths for row in measure(variants, length, options, device)]
    setting = {name: value for name, value in vars(options).items() if name != "output"}
    report = {"machine": machine(device), "options": setting, "factors_seconds": factors, "rows": rows}
    Console().print(table(rows, factors, report["machine"]))
    output = options.output or RESULTS / f"client_step-{device.type}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the frozen backbone")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--steps", type=int, default=2, help="steps per repetition and variant")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--output", type=Path, help="default: bench/results/client_step-<device>.json")
    return parser.parse_args()


def adapt(method: Method | None, options: argparse.Namespace, device: torch.device) -> AdaptedModel:
    """The same model for every variant, with this method's adapters, or with the head alone to train."""
    model = bert(options, device)
    if method is None:
        return AdaptedModel(model, FedIT().plan, (), options.rank, 1.0)
    groups = group_layers(find_targets(model))
    adapted = AdaptedModel(model, method.plan, groups, options.rank, 16 / options.rank)
    adapted.fix({group.name: method.fixed(group, options.rank, 0, adapted.weights) for group in groups})
    state = {group.name: method.initial(group, options.rank, 0) for group in groups}
    head = torch.cat([parameter.detach().flatten() for parameter in adapted.head_parameters()])
    adapted.fill(State({**state, HEAD: {HEAD_SYMBOL: head}}))
    return adapted


def bert(options: argparse.Namespace, device: torch.device) -> PreTrainedModel:
    """The same weights for every variant."""
    sizes = {"hidden_size": options.hidden, "intermediate_size": 4 * options.hidden}
    depth = {"num_hidden_layers": options.layers, "num_attention_heads": max(1, options.hidden // 64)}
    config = BertConfig(vocab_size=1000, **sizes, **depth)
    with scoped_seed(0):
        return AutoModelForSequenceClassification.from_config(config).to(device, DTYPES[options.dtype])


def adapt_by_peft(options: argparse.Namespace, device: torch.device) -> AdaptedModel:
    """The model with PEFT's LoRA on the same layers, trained by the same loop."""
    settings = LoraConfig(r=options.rank, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS")
    model = get_peft_model(bert(options, device), settings)
    return _TrainedByPeft(cast(PreTrainedModel, model.base_model.model))


class _TrainedByPeft(AdaptedModel):
    """What PEFT made of a model, as the trainer wants it: nothing is adapted here."""

    def __init__(self, model: PreTrainedModel):
        self.model = model

    def adapter_parameters(self) -> list[Tensor]:
        return [p for name, p in self.model.named_parameters() if p.requires_grad and "lora_" in name]

    def head_parameters(self) -> list[Tensor]:
        return [p for name, p in self.model.named_parameters() if p.requires_grad and "lora_" not in name]


def peak_bytes(adapted: AdaptedModel, batch: Sequence[Mapping[str, Any]], options: TrainOptions) -> int:
    """The most that tensors touched in two steps take at once, views of weights and bases included."""
    live = LiveBytes()
    with live, live.rise() as rise:
        local_train(adapted, batch, options, collate=collate, loss_fn=loss, seed=0)
    return rise[0]


def measure(
    variants: Mapping[str, AdaptedModel], length: int, options: argparse.Namespace, device: torch.device
) -> list[dict[str, Any]]:
    """One row per variant at this sequence length; the first repetition warms up and does not count."""
    features = [{"input_ids": torch.full((length,), row + 1)} for row in range(options.batch_size)]
    settings = TrainOptions(max_steps=options.steps, batch_size=options.batch_size)
    clock = clock_of(device)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for repetition in range(options.repetitions + 1):
        for name, adapted in variants.items():
            start = clock()
            local_train(adapted, features, settings, collate=collate, loss_fn=loss, seed=repetition)
            seconds[name].append((clock() - start) / options.steps)
    seconds = {name: values[1:] for name, values in seconds.items()}
    twice = TrainOptions(max_steps=2, batch_size=options.batch_size)
    peaks = {name: peak_bytes(adapted, features, twice) for name, adapted in variants.items()}
    return [
        {
            "tokens": options.batch_size * length,
            "variant": name,
            "trained": variants[name].num_trainable,
            "step_seconds": statistics.median(values),
            "step_seconds_min": min(values),
            "step_seconds_max": max(values),
            "peak_bytes": peaks[name],
            "peak_to_peft": peaks[name] / peaks[REFERENCE],
            "ratio_to_peft": statistics.median(a / b for a, b in zip(values, seconds[REFERENCE], strict=True)),
            "extra_seconds": statistics.median(a - b for a, b in zip(values, seconds[REFERENCE], strict=True)),
        }
        for name, values in seconds.items()
    ]


def measure_factors(adapted: AdaptedModel, method: Method | None, rank: int, device: torch.device) -> float:
    """Median seconds to make the factors of all groups and to take gradients back through them."""
    if method is None:
        return 0.0
    adapters = []
    for group in adapted.groups:
        adapters.append(GroupAdapter(group, adapted.plan, rank, 1.0, device, torch.float32))
        adapters[-1].fix(method.fixed(group, rank, 0, adapted.weights))
    clock, seconds = clock_of(device), []
    for _ in range(30):
        start = clock()
        for adapter in adapters:
            adapter.forget()
            factors = [factor for pair in adapter.factors() for factor in pair]
            torch.autograd.backward(factors, [torch.ones_like(factor) for factor in factors])
        seconds.append(clock() - start)
    return statistics.median(seconds)


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds: the process's own on a CPU, which others cannot disturb; elapsed on a GPU, once it is done."""

    def elapsed() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return elapsed if device.type == "cuda" else time.process_time


def collate(examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Rows of equal length, all of class 0."""
    return {
        "input_ids": torch.stack([example["input_ids"] for example in examples]),
        "labels": torch.zeros(len(examples), dtype=torch.long),
    }


def loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(**batch).loss


def machine(device: torch.device) -> dict[str, str]:
    """What the numbers depend on besides the options."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": str(device), "name": name, "torch": torch.__version__}


def table(rows: Sequence[Mapping[str, Any]], factors: Mapping[str, float], machine: Mapping[str, str]) -> Table:
    """Milliseconds for people."""
    result = Table(title=f"One client step, {machine['name']} ({machine['device']})")
    result.add_column("variant", no_wrap=True)
    for column in ("tokens", "trained", "ms/step", "min..max", "to PEFT", "peak MB", "to PEFT", "factors ms"):
        result.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        result.add_row(
            row["variant"],
            str(row["tokens"]),
            f"{row['trained']:,}",
            f"{1e3 * row['step_seconds']:.1f}",
            f"{1e3 * row['step_seconds_min']:.0f}..{1e3 * row['step_seconds_max']:.0f}",
            f"{row['ratio_to_peft']:.3f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
            f"{row['peak_to_peft']:.3f}",
            f"{1e3 * factors[row['variant']]:.2f}",
            end_section=row["variant"] == list(VARIANTS)[-1],
        )
    return result


if __name__ == "__main__":
    main()
