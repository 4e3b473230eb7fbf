"""Facts about the fixed bases: shapes, isometry, the same bits everywhere, and how little they store."""

import hashlib
import itertools
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
import scipy.linalg
import torch

from strategies.bases.basis import Dense, Identity
from strategies.bases.hadamard import RADIX, Hadamard, power_of_two_blocks, sylvester, walsh_hadamard
from strategies.bases.pair import BasisKind, basis_pair
from strategies.rng import generator
from strategies.state import Group

KINDS = get_args(BasisKind)
TALL, WIDE, SQUARE = (Group(o, i, ("a", "b", "c")) for o, i in ((6, 5), (5, 7), (96, 96)))
GROUPS = pytest.mark.parametrize("group", [TALL, WIDE, SQUARE], ids=lambda group: group.name)
PAIRS = pytest.mark.parametrize(("kind", "bases"), [(kind, bases) for kind in KINDS for bases in ("two", "one")])


def frozen(group):
    shape = (len(group.layers), group.out_features, group.in_features)
    return torch.from_numpy(generator(5, "weights", group.name).standard_normal(shape)).float()


def pair(kind, bases="two", group=TALL, seed=1):
    return basis_pair(kind, bases, group, seed, frozen)


def distance_from_isometry(M):
    D = M.dense().double()
    return (D @ D.mT - torch.eye(M.rows)).abs().max().item()


@PAIRS
@GROUPS
def test_left_is_k_by_out_and_right_is_k_by_in(kind, bases, group):
    L, R = pair(kind, bases, group)
    assert (L.rows, L.dim) == (group.k, group.out_features)
    assert (R.rows, R.dim) == (group.k, group.in_features)
    for M in (L, R):
        assert M.dense().shape[-2:] == (M.rows, M.dim)
        assert M.dense().dtype == torch.float32
        assert M.to("cpu", torch.float64).dense().dtype == torch.float64


@PAIRS
@GROUPS
def test_rows_are_orthonormal_exactly_where_the_basis_says_so(kind, bases, group):
    for M in pair(kind, bases, group):
        assert (distance_from_isometry(M) < 1e-6) == M.isometric
        assert M.isometric == ("kaiming" not in kind or isinstance(M, Identity))


@PAIRS
@GROUPS
def test_applying_is_multiplying_and_its_gradient_is_multiplying_by_the_transpose(kind, bases, group):
    for M in pair(kind, bases, group):
        M = M.to("cpu", torch.float64)
        A = torch.randn(3, 2, group.k, dtype=torch.float64, requires_grad=True)
        D = M.dense().double()
        torch.testing.assert_close(M.apply(A), A @ D)
        G = torch.randn(3, 2, M.dim, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(M.apply(A), A, G)
        torch.testing.assert_close(gradient, G @ D.mT)


@PAIRS
def test_the_basis_of_one_layer_is_that_layers_part(kind, bases):
    A = torch.randn(3, 2, TALL.k)
    for M in pair(kind, bases):
        by_layer = torch.stack([M.layer(index).apply(A[index]) for index in range(3)])
        torch.testing.assert_close(by_layer, M.apply(A))


@pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
@pytest.mark.parametrize("kind", KINDS)
def test_one_basis_is_the_longer_side_and_leaves_the_other_out(kind, group):
    L, R = pair(kind, "one", group)
    short, long = (L, R) if group.out_features <= group.in_features else (R, L)
    assert isinstance(short, Identity)
    assert not isinstance(long, Identity)


def test_svd_bases_are_the_singular_vectors_of_each_layer():
    L, R = pair("svd")
    S = L.dense() @ frozen(TALL) @ R.dense().mT
    torch.testing.assert_close(S, torch.diag_embed(torch.linalg.svdvals(frozen(TALL))), rtol=0, atol=1e-5)


@pytest.mark.parametrize("group", [TALL, WIDE], ids=lambda group: group.name)
def test_the_one_svd_basis_is_the_product_of_the_two(group):
    (L, R), (L1, R1) = pair("svd", "two", group), pair("svd", "one", group)
    torch.testing.assert_close(L1.dense().mT @ R1.dense(), L.dense().mT @ R.dense(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("group", [Group(150, 100, ("a",)), Group(100, 150, ("a",))], ids=lambda group: group.name)
def test_kaiming_is_uniform_within_one_over_root_of_the_columns_of_left_and_right_as_they_multiply(group):
    """In dW = L Q R the columns of L are k and those of R are i; M_L = L^T is what is stored."""
    for M, columns in zip(pair("kaiming", group=group), (group.k, group.in_features), strict=True):
        values, bound = M.dense().double(), columns**-0.5
        assert 0.99 * bound < values.abs().max() <= bound * (1 + 1e-6)
        assert values.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


@pytest.mark.parametrize("group", [Group(150, 100, ("a",)), Group(100, 150, ("a",))], ids=lambda group: group.name)
def test_kaiming_for_relu_is_normal_with_twice_one_over_the_columns_as_variance(group):
    for M, columns in zip(pair("kaiming-relu", group=group), (group.k, group.in_features), strict=True):
        values = M.dense().double() * (columns / 2) ** 0.5
        assert values.std().item() == pytest.approx(1, rel=0.03)
        assert values.abs().gt(3).double().mean().item() == pytest.approx(0.0027, abs=0.002)


@PAIRS
def test_sides_groups_and_seeds_are_drawn_independently(kind, bases):
    """L and R of a group whose sides are alike too; the kind svd follows the weights alone."""
    drawn = [M for group in (SQUARE, WIDE, TALL) for M in pair(kind, bases, group) if not isinstance(M, Identity)]
    if kind != "svd":
        drawn += [M for M in pair(kind, bases, SQUARE, seed=2) if not isinstance(M, Identity)]
    for one, other in itertools.combinations((M.layer(0).dense().double() for M in drawn), 2):
        k, d = (min(sizes) for sizes in zip(one.shape, other.shape, strict=True))
        assert not torch.allclose(one[:k, :d].abs(), other[:k, :d].abs(), atol=1e-3) or kind == "hadamard"
        assert not torch.allclose(one[:k, :d], other[:k, :d], atol=1e-3)


def test_haar_is_not_biased_towards_the_signs_that_qr_chooses():
    corners = [pair("haar", seed=seed)[0].dense()[0, 0].item() for seed in range(300)]
    assert abs(np.mean(corners)) < 4 * np.std(corners) / 300**0.5


@PAIRS
def test_fingerprints_differ_between_seeds_sides_and_shapes(kind, bases):
    pairs = [pair(kind, bases), pair(kind, bases, WIDE), pair(kind, bases, SQUARE)]
    if kind != "svd":
        pairs.append(pair(kind, bases, seed=2))
    drawn = [M.fingerprint() for both in pairs for M in both if not isinstance(M, Identity)]
    assert len(set(drawn)) == len(drawn)


def test_fingerprints_differ_between_kinds():
    assert len({pair(kind)[0].fingerprint() for kind in KINDS}) == len(KINDS) - 1
    assert pair("gradient")[0].fingerprint() == pair("haar")[0].fingerprint()  # which completes what travels


def test_the_fingerprint_ignores_the_last_bits_and_the_sign_of_zero():
    values = torch.tensor([[0.25, -0.0, 0.5], [1e-9, -0.25, 1.0]])
    other = torch.tensor([[0.2500001, 0.0, 0.5], [-1e-9, -0.25, 1.0]])
    assert Dense.of("x", values, True).fingerprint() == Dense.of("x", other, True).fingerprint()
    assert Dense.of("x", values, True).fingerprint() != Dense.of("x", other + 1e-3, True).fingerprint()


@PAIRS
def test_the_fingerprint_survives_a_change_of_dtype(kind, bases):
    for M in pair(kind, bases):
        half = M.to("cpu", torch.bfloat16)
        assert half.fingerprint() == M.fingerprint()
        assert half.apply(torch.ones(len(TALL.layers), 2, TALL.k, dtype=torch.bfloat16)).dtype == torch.bfloat16


def bits():
    """Kind -> hash of all bits of both bases, on shapes that make the BLAS use its threads."""
    group = Group(320, 256, ("a", "b"))
    return {
        f"{kind}/{bases}": hashlib.sha256(b"".join(M.dense().numpy().tobytes() for M in both)).hexdigest()
        for kind in KINDS
        for bases in ("two", "one")
        for both in [pair(kind, bases, group)]
    }


def test_another_process_with_another_number_of_threads_makes_the_same_bits():
    threads = 3 if torch.get_num_threads() == 1 else 1
    module = "tests.strategies.bases.test_basis"
    program = f"import torch; torch.set_num_threads({threads}); from {module} import bits; print(bits())"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(bits())


def test_drawing_restores_the_number_of_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    pair("haar")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_an_unknown_kind_names_key_value_and_choices():
    with pytest.raises(ValueError, match=r"strategy\.florg\.basis = 'qr'.*haar \| svd \| kaiming"):
        pair("qr")


@pytest.mark.parametrize("size", [1, 2, 8, 64, 256])
def test_the_walsh_hadamard_transform_multiplies_by_sylvesters_matrix(size):
    H = torch.from_numpy(scipy.linalg.hadamard(size)).double()
    x = torch.randn(3, size, dtype=torch.float64)
    torch.testing.assert_close(walsh_hadamard(x, sylvester(RADIX).double()), x @ H / size**0.5)


def test_power_of_two_blocks_sum_to_the_dimension():
    assert power_of_two_blocks(3072) == (2048, 1024)
    assert all(sum(power_of_two_blocks(dim)) == dim for dim in range(1, 200))


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 33, 40, 96, 129])
def test_hadamard_is_orthogonal_in_every_dimension_and_spreads_every_coordinate(dim):
    M = Hadamard.draw(dim, dim, np.random.default_rng(dim)).to("cpu", torch.float64)
    assert distance_from_isometry(M) < 1e-12
    if dim >= 33:
        assert M.dense().abs().max() < 0.9


@pytest.mark.parametrize("kind", ["signed-permutation", "hadamard"])
def test_structured_bases_store_a_few_numbers_per_dimension(kind):
    group = Group(768, 640, ("a",))
    for M in pair(kind, group=group):
        stored = sum(value.numel() for value in vars(M).values() if isinstance(value, torch.Tensor))
        assert stored <= 4 * M.dim + RADIX**2
