"""FLoRG's server step inside a ServerApp of your own, with clients that know nothing of this project's.

    python examples/own_server.py

Four clients each hold a matrix T_n and move A so that dW = s L A^T A R comes nearer to it; no model, no data set. What
a strategy needs is a layout of tensors (the manifest), a first state, and rules for the rounds.
"""

import torch
from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from strategies import METHODS, FederatedAdapters, Group, Policy
from strategies.exchange.lineage import Attempt, Lineage
from strategies.exchange.train_request import TrainRequest
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, PARTITION, RANK, pack, unpack, upload
from strategies.manifest import Manifest
from strategies.parametrisation import PARAMETRISATIONS
from strategies.rng import generator
from strategies.state import State

NUM_CLIENTS, NUM_ROUNDS, RANK_OF_A, SCALE, SEED = 4, 5, 2, 1.0, 3
GROUP = Group(out_features=6, in_features=5, layers=("the only layer",))

method = METHODS["florg"](initial_std=0.5)
manifest = Manifest(method.name, method.plan, (GROUP,), head=(), rank=RANK_OF_A, scale=SCALE, seed=SEED)
bases = method.fixed(GROUP, RANK_OF_A, SEED, weights=lambda group: torch.zeros(1, 6, 5))
server_app, client_app = ServerApp(), ClientApp()


def update(A: torch.Tensor) -> torch.Tensor:
    """Return dW (1, 6, 5) of A (1, 2, 5)."""
    return PARAMETRISATIONS[method.plan.adapter].update({"A": A}, bases, SCALE)


def target(partition: int) -> torch.Tensor:
    """Return the matrix (1, 6, 5) that a client would like dW to be: one of rank 2 that all share, and some noise."""
    A = torch.from_numpy(generator(SEED, "common").standard_normal((1, RANK_OF_A, 5))).float()
    own = torch.from_numpy(generator(SEED, "own", partition).standard_normal((1, 6, 5))).float()
    return update(A) + 0.1 * own


def distance(state: State) -> float:
    """Return the mean of ||dW - T_n||^2 over the clients."""
    dW = update(state[GROUP.name]["A"])
    return sum(float((dW - target(n)).square().sum()) for n in range(NUM_CLIENTS)) / NUM_CLIENTS


@client_app.query()
def hello(message: Message, context: Context) -> Message:
    """The strategy knows clients by their partition, which they tell it before round 1."""
    return Message(
        RecordDict({METRICS: MetricRecord({PARTITION: int(context.node_config[PARTITION])})}), reply_to=message
    )


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """Twenty steps of gradient descent on ||dW - T_n||^2, from the A that was sent."""
    partition = int(context.node_config[PARTITION])
    request = TrainRequest.from_config(message.content.config_records[CONFIG])
    received = unpack(message.content.array_records[ARRAYS], manifest.downlink)
    assert isinstance(received, State), received.reason
    A = received[GROUP.name]["A"].requires_grad_()
    optimizer = torch.optim.Adam([A], lr=0.05)
    for _ in range(20):
        loss = (update(A) - target(partition)).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    metrics = {PARTITION: partition, EXAMPLES: 1, RANK: request.rank, "loss": loss.item()}
    arrays = pack(State({GROUP.name: {"A": A.detach()}}), manifest.uplink)
    return Message(upload(arrays, request.t, metrics), reply_to=message)


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """Train for five rounds and print how near dW comes to what the clients want."""
    start = State({GROUP.name: method.initial(GROUP, RANK_OF_A, SEED)})
    strategy = FederatedAdapters(
        method,
        manifest,
        start,
        identity={},
        lineage=Lineage("a run", (Attempt("its first attempt"),)),
        policy=Policy(min_clients=NUM_CLIENTS, weighting="uniform"),
        device=torch.device("cpu"),
        on_round=lambda record: print(f"round {record.t}: {len(record.accepted)} accepted, {record.evaluation}"),
    )
    print(f"round 0: {distance(start):.3f}")
    strategy.run(grid, range(1, NUM_ROUNDS + 1), evaluate=lambda t, state: {"distance": round(distance(state), 3)})


if __name__ == "__main__":
    from florg_app.engines.inline import InProcessGrid, task_identity

    # Or, with Ray: flwr.simulation.run_simulation(server_app, client_app, num_supernodes=NUM_CLIENTS)
    with task_identity():
        main(InProcessGrid(client_app, {}, NUM_CLIENTS), None)  # pyright: ignore[reportArgumentType] - main reads no context
