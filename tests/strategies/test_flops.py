"""Counts of operations: exact where a count is exact, the textbook's formula elsewhere, nothing left out."""

import pytest
import torch
from torch import Tensor, nn

from clients.optimizers import optimizer_for
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from strategies.flops import FLOPS, counted, counter
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from strategies.plan import Role
from strategies.server.combination import Combination, aggregate
from strategies.state import Group, State
from tests.support.rounds import TALL, W, cases, start, trained
from tests.support.tiny_models import RANK, loss_fn, pad, tiny_adapted, tiny_features, tiny_model

DECOMPOSING = ("linalg", "svd", "cholesky", "lstsq", "eig", "lu_", "ormqr", "geqrf", "triangular", "inverse")
"""Parts of the names of operations that do more than elementwise work and that torch's counter does not know."""


def count(function) -> int:
    with counted() as found:
        function()
    return found[FLOPS]


def matrix(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


X, Y, M, v = matrix(3, 6, 5), matrix(3, 5, 4), matrix(7, 7), matrix(7)
SPD = M @ M.mT + torch.eye(7, dtype=torch.float64)


@pytest.mark.parametrize(
    ("function", "expected"),
    {
        "product": (lambda: X[0] @ Y[0], 2 * 6 * 5 * 4),
        "batched product": (lambda: X @ Y, 3 * 2 * 6 * 5 * 4),
        "added in place": (lambda: matrix(3, 6, 4).baddbmm_(X, Y), 3 * 2 * 6 * 5 * 4),
        "matrix and vector": (lambda: M @ v, 2 * 7 * 7),
        "scalar product": (lambda: v @ v, 2 * 7),
        "elementwise": (lambda: (X + 1).mul(2).sum(), 0),
        "eigenvectors": (lambda: torch.linalg.eigh(SPD), 9 * 7**3),
        "eigenvalues": (lambda: torch.ops.aten._linalg_eigh(SPD, "L", False), 4 * 7**3 // 3),
        "thin svd, near square": (lambda: torch.linalg.svd(X, full_matrices=False), 3 * (14 * 6 * 25 + 8 * 125)),
        "thin svd, tall": (lambda: torch.linalg.svd(matrix(40, 5), full_matrices=False), 6 * 40 * 25 + 20 * 125),
        "thin svd, wide": (lambda: torch.linalg.svd(matrix(5, 40), full_matrices=False), 6 * 40 * 25 + 20 * 125),
        "full svd": (lambda: torch.linalg.svd(matrix(6, 5)), 4 * 36 * 5 + 8 * 6 * 25 + 9 * 125),
        "singular values": (lambda: torch.ops.aten._linalg_svd(matrix(6, 5), False, False), 4 * 6 * 25 - 4 * 125 // 3),
        "thin qr": (lambda: torch.linalg.qr(matrix(6, 3)), (2 * 9 * 6 - 18) + (2 * 6 * 9 - 18)),
        "cholesky": (lambda: torch.linalg.cholesky(SPD), 7**3 // 3),
        "inverse": (lambda: torch.linalg.inv(SPD), 2 * 7**3),
        "determinant": (lambda: torch.linalg.det(SPD), 2 * 7**3 // 3),
        "solve": (lambda: torch.linalg.solve(SPD, matrix(7, 2)), 2 * 7**3 // 3 + 2 * 2 * 49),
        "solve from the right": (
            lambda: torch.linalg.solve(SPD, matrix(2, 7), left=False),
            2 * 7**3 // 3 + 2 * 2 * 49,
        ),
    }.values(),
)
def test_known_operations_count_what_the_book_says(function, expected):
    assert count(function) == expected


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_attention_is_counted_on_a_cpu_as_in_its_plain_form(family):
    """torch's fused kernel for CPUs is counted like the products that it fuses, backwards one more for the scores."""
    totals = {}
    for implementation in ("sdpa", "eager"):
        model = tiny_model(family)
        model.set_attn_implementation(implementation)
        model.requires_grad_(True)
        totals[implementation] = count(lambda model=model: loss_fn(model, pad(tiny_features(5))).backward())
    length = pad(tiny_features(5))["input_ids"].shape[1]
    head = 8 if family == "bert" else 12
    scores_again = 2 * 2 * 5 * 4 * length**2 * head  # layers, examples, heads
    assert totals["sdpa"] == totals["eager"] + scores_again


def test_a_lora_step_counts_as_by_hand():
    """Of one layer W (o, i) with A (r, i), B (o, r), dW = s B A, and n tokens."""
    o, i, r, n = 6, 5, 2, 11
    x = torch.randn(n, i, requires_grad=True)  # as the output of the layer before
    W, A, B = torch.randn(o, i), torch.randn(r, i, requires_grad=True), torch.randn(o, r, requires_grad=True)
    forward = 2 * n * i * o + 2 * n * i * r + 2 * n * r * o
    backward = forward + 2 * n * i * r + 2 * n * r * o  # to x the same products; to A and B one each
    linear = nn.functional.linear
    assert count(lambda: (linear(x, W) + linear(linear(x, A), B)).sum().backward()) == forward + backward


def test_a_florg_step_counts_lora_and_the_factors_made_from_a_by_hand():
    """B' = s L A^T (o, r) and A' = A R (r, i) of every layer in each step, and the gradients of A through both."""
    settings, totals, groups = TrainOptions(batch_size=4, max_steps=2), [], ()
    for method in (FedIT(), FLoRG(zero_start=False)):
        with tiny_adapted(tiny_model("bert"), method) as adapted:
            groups = adapted.groups
            totals.append(
                count(
                    lambda a=adapted: local_train(a, tiny_features(8), settings, collate=pad, loss_fn=loss_fn, seed=0)
                )
            )
    shapes = [(len(g.layers), g.out_features, g.in_features, g.k) for g in groups]
    factors = sum(layers * 2 * RANK * k * (o + i) for layers, o, i, k in shapes)
    assert totals[1] - totals[0] == 2 * (2 * factors)  # steps; forward and backward


def test_counting_changes_no_bit_and_without_it_nothing_happens():
    results = []
    for wanted in (False, True):
        with tiny_adapted(tiny_model("bert"), FLoRG()) as adapted:
            optimizer = optimizer_for(adapted, how := TrainOptions(batch_size=4))
            with counted(wanted) as found:
                local_train(adapted, tiny_features(8), how, collate=pad, loss_fn=loss_fn, seed=0, optimizer=optimizer)
            results.append(adapted.read(Role.SHARED).flat)
        assert list(found) == ([FLOPS] if wanted else [])
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


@pytest.mark.parametrize("method", cases())
def test_no_decomposition_of_any_method_is_left_out(method):
    seen = set()
    with counter() as mode:
        known = mode.flop_registry
        count_flops = mode._count_flops

        def note(packet, out, args, kwargs):
            seen.add(packet)
            return count_flops(packet, out, args, kwargs)

        mode._count_flops = note
        aggregate(method, 2, start(method, TALL), trained(method, start(method, TALL)), W)
    names = {str(packet): packet in known for packet in seen}
    heavy = {n: k for n, k in names.items() if any(part in n for part in DECOMPOSING) and "check_errors" not in n}
    assert all(heavy.values()), heavy


def server_flops(method, k: int = 64, n: int = 4) -> int:
    group = Group(k + 1, k, ("a", "b"))
    state = {"A": method.initial(group, RANK, 1)["A"]}
    noise = matrix(n, *state["A"].shape)
    combination = Combination(method, 1, State({group.name: state}), "cpu")

    def whole_round() -> None:
        for client in range(n):
            combination.add(State({group.name: {"A": state["A"] + 0.1 * noise[client]}}), 1.0)
        combination.finish()

    return count(whole_round)


def test_florgs_solvers_cost_what_their_equations_say():
    k, r, n, l = 64, RANK, 4, 2  # noqa: E741 - the legend's letter
    closed = n * 2 * (2 * r * r * k) + 2 * r * r * k + 9 * r**3 + 2 * r**3 + 2 * r * r * k
    assert server_flops(FLoRG(), k, n) == l * closed
    m = n * r  # the rank of Q
    core = min(14 * m * r**2 + 8 * r**3, 6 * m * r**2 + 20 * r**3)
    literal = n * 2 * k * k * r + 9 * k**3 + 2 * r * k * m + core + 2 * r * r * m + 2 * r * m * k
    assert server_flops(FLoRG(solver="literal"), k, n) == l * literal
    assert server_flops(FLoRG(solver="literal"), k, n) > 100 * server_flops(FLoRG(), k, n)
