"""This project's local training inside a ClientApp of your own, under one of Flower's own strategies.

    python examples/own_client.py

The model is yours (here a tiny BERT with random weights), the rows are yours, the server is plain FedAvg. What is taken
from here: adapters on frozen layers, one training loop, and tensors by name to send.
"""

import torch
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from transformers import BertConfig, BertForSequenceClassification

from clients.adapted_model import AdaptedModel
from clients.targets import find_targets, group_layers
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from strategies import METHODS, Role
from strategies.rng import generator, stream_seed
from strategies.state import State

NUM_CLIENTS, NUM_ROUNDS, RANK, SCALE, SEED = 3, 3, 2, 8.0, 1
METHOD = METHODS["fedit"]()
OPTIONS = TrainOptions(batch_size=8, epochs=2, learning_rate=0.02, head_learning_rate=0.02)
server_app, client_app = ServerApp(), ClientApp()


def adapted_model() -> AdaptedModel:
    """Return a frozen model with LoRA on queries and values, as every participant builds it from the seed."""
    torch.manual_seed(SEED)
    config = BertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, num_labels=2
    )
    model = BertForSequenceClassification(config)
    groups = group_layers(find_targets(model, ("query", "value")))
    adapted = AdaptedModel(model, METHOD.plan, groups, RANK, SCALE)
    adapted.fix({group.name: METHOD.fixed(group, RANK, SEED, adapted.weights) for group in groups})
    head = adapted.read(METHOD.plan.head)
    adapters = State({group.name: METHOD.initial(group, RANK, SEED) for group in groups})
    adapted.fill(adapters.join(State({"head": head["head"]})))
    return adapted


def rows(partition: int) -> list[dict]:
    """Return 40 rows of one client: which of tokens 5 and 6 is in the row decides its class."""
    random = generator(SEED, "rows", partition)
    tokens = random.integers(10, 40, (40, 9))
    labels = random.integers(0, 2, 40)
    tokens[:, 4] = 5 + labels
    return [{"input_ids": list(map(int, t)), "labels": int(y)} for t, y in zip(tokens, labels, strict=True)]


def collate(examples: list) -> dict:
    """Return a batch of rows, which are all of one length here."""
    return {key: torch.tensor([example[key] for example in examples]) for key in ("input_ids", "labels")}


def loss_fn(model: torch.nn.Module, batch: dict) -> torch.Tensor:
    """Return the mean loss of a batch."""
    return model(**batch).loss


def to_arrays(state: State) -> ArrayRecord:
    """Return a message's arrays: SHARED tensors by name."""
    return ArrayRecord({key: Array(tensor.numpy()) for key, tensor in state.flat.items()})


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """Fill the adapters with what came, train them on this client's rows, send them back."""
    partition = int(context.node_config["partition-id"])
    arrays = message.content.array_records["arrays"]
    with adapted_model() as adapted:
        adapted.fill(State.from_flat({key: torch.from_numpy(array.numpy().copy()) for key, array in arrays.items()}))
        report = local_train(
            adapted,
            rows(partition),
            OPTIONS,
            collate=collate,
            loss_fn=loss_fn,
            seed=stream_seed(SEED, "train", partition),
        )
        trained = to_arrays(adapted.read(Role.SHARED))
    metrics = MetricRecord({"loss": report.loss_last, "num-examples": report.num_examples})
    return Message(RecordDict({"arrays": trained, "metrics": metrics}), reply_to=message)


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """Average with Flower's FedAvg and print the clients' mean loss of every round."""
    with adapted_model() as adapted:
        start = to_arrays(adapted.read(Role.SHARED))
    strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=NUM_CLIENTS)
    result = strategy.start(grid, start, num_rounds=NUM_ROUNDS)
    for t, metrics in result.train_metrics_clientapp.items():
        print(f"round {t}: loss {float(metrics['loss']):.3f}")  # pyright: ignore[reportArgumentType] - a float


if __name__ == "__main__":
    from florg_app.engines.inline import InProcessGrid, task_identity

    # Or, with Ray: flwr.simulation.run_simulation(server_app, client_app, num_supernodes=NUM_CLIENTS)
    with task_identity():
        main(InProcessGrid(client_app, {}, NUM_CLIENTS), None)  # pyright: ignore[reportArgumentType] - main reads no context
