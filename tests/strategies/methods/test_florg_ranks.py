"""FLoRG's clients of lower ranks: what they get, what their uploads add up to, and where their training starts."""

import numpy as np
import pytest
import torch

from florg_app.engines.inline import task_identity
from strategies.exchange.ranks import completed, led_state
from strategies.methods.florg import FLoRG
from strategies.parametrisation import PARAMETRISATIONS
from strategies.server.combination import aggregate
from strategies.state import State
from tests.reference import florg as reference
from tests.support.fakes import Run, assert_same_bits
from tests.support.generators import gaussian, orthogonal
from tests.support.rounds import SCALE, SEED, TALL, WIDE, frozen

SOLVERS = ("closed-form", "literal", "truncate")
SOLVER = pytest.mark.parametrize("solver", SOLVERS)
GROUP = pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
RANK = 4


def factor(seed=0, layers=2, rank=RANK, k=7):
    return gaussian(np.random.default_rng(seed), layers, rank, k)


def gram(A):
    return A.mT @ A


def served_part(A, rank):
    return FLoRG().led_by({"A": A}, rank)["A"][..., :rank, :]


def stepped(method, A, parts, w):
    """A^{t+1} from uploads of any rank."""
    largest = A.shape[-2]
    wide = [
        completed(
            method, State({"g": {"A": part}}), led_state(method, State({"g": {"A": A}}), part.shape[-2], largest), {}
        )
        for part in parts
    ]
    return aggregate(method, 2, {"A": A}, [upload["g"] for upload in wide], w)["A"]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_client_gets_the_best_gram_matrix_of_its_rank(rank):
    A = factor()
    tail = torch.linalg.svdvals(A)[..., rank:].pow(2).norm(dim=-1)
    torch.testing.assert_close((gram(served_part(A, rank)) - gram(A)).norm(dim=(-2, -1)), tail)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_of_all_factors_of_that_gram_matrix_it_gets_the_one_nearest_to_the_first_rows_of_the_state(rank):
    A, rng = factor(), np.random.default_rng(1)
    part = served_part(A, rank)
    for _ in range(30):
        other = orthogonal(rng, rank) @ part
        assert (part - A[..., :rank, :]).norm() <= (other - A[..., :rank, :]).norm() + 1e-12
    expected = np.stack([reference.served(layer, rank) for layer in A.numpy()])
    torch.testing.assert_close(part, torch.from_numpy(expected))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_part_and_the_rest_have_the_gram_matrix_of_the_state(rank):
    A = factor()
    torch.testing.assert_close(gram(FLoRG().led_by({"A": A}, rank)["A"]), gram(A))


def test_of_equal_directions_the_first_rows_come_first():
    """As the axes of a gradient start are, whose order is that of the singular values."""
    A = FLoRG(basis="gradient").initial(WIDE, 3, SEED)["A"]
    for rank in (1, 2):
        assert torch.equal(served_part(A, rank), A[:, :rank])


@SOLVER
def test_clients_of_all_ranks_that_changed_nothing_change_nothing(solver):
    """No direction fades because clients of lower ranks were not sent it."""
    A = factor()
    parts = [A, *(served_part(A, rank) for rank in (1, 3, 2))]
    torch.testing.assert_close(stepped(FLoRG(solver=solver), A, parts, [1.0, 4.0, 2.0, 3.0]), A)


@SOLVER
def test_the_first_direction_moves_as_with_clients_of_equal_ranks(solver):
    """A client that has one direction alone, and turns and stretches nothing else."""
    A = factor()
    led = FLoRG().led_by({"A": A}, 1)["A"]
    change = 0.1 * gaussian(np.random.default_rng(2), 2, 1, 7)
    low = led[..., :1, :] + change
    whole = torch.cat([low, led[..., 1:, :]], -2)
    method = FLoRG(solver=solver)
    torch.testing.assert_close(stepped(method, A, [low, A], [1.0, 2.0]), stepped(method, A, [whole, A], [1.0, 2.0]))


@SOLVER
@pytest.mark.parametrize("basis", ["haar", "gradient"])
def test_equal_ranks_give_the_bits_of_a_run_without_ranks(solver, basis):
    with task_identity():
        plain, ranked = (Run(FLoRG(solver=solver, basis=basis), client_ranks=ranks).go(3) for ranks in ((), (2,)))
    assert_same_bits(plain.state, ranked.state)
    assert [r.as_dict()["up"] for r in plain.records] == [r.as_dict()["up"] for r in ranked.records]


def update_of(method, group, A, A_n):
    """dW of a client that trains A_n (l, m, k), of the state A (l, r, k)."""
    rank = A.shape[-2]
    fixed = method.fixed(group, rank, SEED, frozen)
    wide = {symbol: value.to("cpu", torch.float64) for symbol, value in fixed.items()}
    padded = torch.nn.functional.pad(A_n, (0, 0, 0, rank - A_n.shape[-2]))
    own = method.own_bases(wide, {"A": padded}, A_n.shape[-2]) if A_n.shape[-2] < rank else {}
    rest = method.initial(group, rank, SEED)
    symbols = {**{symbol: tensor.double() for symbol, tensor in rest.items()}, "A": padded}
    return PARAMETRISATIONS[method.plan.adapter].update(symbols, {**wide, **own}, SCALE)


@GROUP
@pytest.mark.parametrize("basis", ["haar", "gradient", "signed-permutation"])
def test_clients_of_every_rank_start_at_w0(basis, group):
    method = FLoRG(basis=basis)
    A = method.initial(group, 3, SEED)["A"].double()
    for rank in (1, 2, 3):
        part = A if rank == 3 else served_part(A, rank)
        assert update_of(method, group, A, part).abs().max() < 1e-9


@GROUP
@pytest.mark.parametrize("basis", ["haar", "gradient"])
@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_a_client_starts_as_near_to_w0_as_the_state_is_however_close_its_eigenvalues(basis, size, group):
    """Eigenvectors of near eigenvalues turn freely; the part of A1 that is subtracted turns with them."""
    method = FLoRG(basis=basis)
    A1 = method.initial(group, 3, SEED)["A"].double()
    A = A1 + size * gaussian(np.random.default_rng(4), *A1.shape)
    for rank in (1, 2):
        assert update_of(method, group, A, served_part(A, rank)).norm() < 10 * update_of(method, group, A, A).norm()


@GROUP
def test_a_clients_update_is_that_of_the_reference(group):
    method = FLoRG()
    A = factor(5, len(group.layers), 3, group.k)
    fixed = {s: value.to("cpu", torch.float64) for s, value in method.fixed(group, 3, SEED, frozen).items()}
    L, R, A1 = fixed["L"].dense().numpy(), fixed["R"].dense().numpy(), fixed["A1"].numpy()
    for rank in (1, 2):
        part = served_part(A, rank)
        changed = part.numpy()
        A1_n = np.stack([reference.own_initial(A1[layer], changed[layer]) for layer in range(len(A))])
        expected = [SCALE * L.T @ (a.T @ a - b.T @ b) @ R for a, b in zip(changed, A1_n, strict=True)]
        torch.testing.assert_close(update_of(method, group, A, part), torch.from_numpy(np.stack(expected)))
