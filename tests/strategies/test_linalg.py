"""Facts about the batched linear algebra, on spectra with repeated, zero and tiny singular values."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.linalg import gram_factor, polar, procrustes, psd_factor, psd_inverse_sqrt, svd
from tests.support.generators import gaussian, matrix, orthogonal, seeds, sizes, spectra, weights

CLOSE = {"rtol": 0, "atol": 1e-12}
few = settings(max_examples=30)


def psd(rng, spectrum):
    """Symmetric, with these eigenvalues."""
    V = orthogonal(rng, len(spectrum))
    return V @ torch.diag(torch.tensor(spectrum, dtype=torch.float64)) @ V.mT


def weighted_gram(A, w):
    return sum(w_n * A_n.mT @ A_n for w_n, A_n in zip(w, A, strict=True))


@st.composite
def uploads(draw):
    """(n, l, r, k) factors with chosen spectra, and n weights that sum to 1."""
    size, rng = draw(sizes()), np.random.default_rng(draw(seeds))
    A = [[matrix(rng, size.r, size.k, draw(spectra(size.r))) for _ in range(size.l)] for _ in range(size.n)]
    w = torch.tensor(weights(rng, size.n), dtype=torch.float64)
    return torch.stack([torch.stack(layers) for layers in A]), w / w.sum()


@few
@given(seeds, spectra(5, smallest=(0.0, 1e-9)))
def test_inverse_root_times_matrix_times_inverse_root_projects_on_the_range(seed, spectrum):
    M = psd(np.random.default_rng(seed), spectrum)
    e, V = torch.linalg.eigh(M)
    V = V[:, e > 1e-12]
    root = psd_inverse_sqrt(M, num_terms=5)
    torch.testing.assert_close(root, root.mT, **CLOSE)
    torch.testing.assert_close(root @ M @ root, V @ V.mT, rtol=0, atol=1e-5)


def test_inverse_root_drops_what_rounding_cannot_tell_from_zero():
    M = torch.diag(torch.tensor([1.0, 1e-12, 1e-14, -1e-17], dtype=torch.float64))
    expected = torch.diag(torch.tensor([1.0, 1e6, 0.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(psd_inverse_sqrt(M, num_terms=1000), expected)


def test_inverse_root_of_zero_is_zero():
    assert psd_inverse_sqrt(torch.zeros(3, 2, 2), num_terms=7).count_nonzero() == 0


@few
@given(uploads())
def test_gram_factor_has_the_gram_matrix_and_orthogonal_rows_largest_first(drawn):
    A, w = drawn
    F = gram_factor(A, w)
    torch.testing.assert_close(F.mT @ F, weighted_gram(A, w), **CLOSE)
    rows = F @ F.mT
    norms = rows.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(rows, torch.diag_embed(norms), **CLOSE)
    assert (norms.diff() <= 1e-12).all()
    assert F.shape[-2] == min(A.shape[0] * A.shape[2], A.shape[3])


@few
@given(uploads(), seeds)
def test_gram_of_the_factor_ignores_each_clients_own_rotation(drawn, seed):
    A, w = drawn
    rng = np.random.default_rng(seed)
    turned = torch.stack([orthogonal(rng, A.shape[2]) @ A_n for A_n in A])
    F, G = gram_factor(A, w), gram_factor(turned, w)
    torch.testing.assert_close(F.mT @ F, G.mT @ G, **CLOSE)


@few
@given(seeds, spectra(5, smallest=(0.0, 1e-12)))
def test_factor_from_the_eigendecomposition_has_as_many_rows_as_the_rank_largest_first(seed, spectrum):
    Q = psd(np.random.default_rng(seed), spectrum)
    F = psd_factor(Q)
    torch.testing.assert_close(F.mT @ F, Q, **CLOSE)
    assert len(F) == sum(value > 0 for value in spectrum)
    assert (F.norm(dim=1).diff() <= 1e-12).all()


@few
@given(uploads())
def test_stacked_factor_and_eigendecomposition_give_the_same_spectrum(drawn):
    A, w = drawn
    for layer, Q in enumerate(weighted_gram(A, w)):
        by_svd, by_eigh = gram_factor(A[:, layer], w).norm(dim=1), psd_factor(Q).norm(dim=1)
        torch.testing.assert_close(by_svd[: len(by_eigh)].square(), by_eigh.square(), **CLOSE)


@few
@given(seeds, st.integers(1, 4), st.integers(1, 6))
def test_polar_factor_is_semi_orthogonal_and_makes_the_product_symmetric_psd(seed, r, m):
    C = gaussian(np.random.default_rng(seed), 3, r, m)
    S = polar(C)
    short = S @ S.mT if r <= m else S.mT @ S
    torch.testing.assert_close(short, torch.eye(min(r, m)).double().expand_as(short), **CLOSE)
    product = C @ S.mT
    torch.testing.assert_close(product, product.mT, rtol=0, atol=1e-11)
    assert torch.linalg.eigvalsh(product).min() > -1e-11


@few
@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_no_other_semi_orthogonal_matrix_aligns_better(seed, r, fewer):
    rng = np.random.default_rng(seed)
    m = min(fewer, r)
    X, Y = gaussian(rng, r, 7), gaussian(rng, m, 7)
    best = (procrustes(X, Y) @ Y - X).norm()
    for _ in range(20):
        assert best <= (orthogonal(rng, r)[:, :m] @ Y - X).norm() + 1e-12


@few
@given(seeds, st.integers(1, 4))
def test_aligning_a_matrix_with_itself_changes_nothing(seed, r):
    X = gaussian(np.random.default_rng(seed), r, 7)
    torch.testing.assert_close(procrustes(X, X), torch.eye(r).double(), rtol=0, atol=1e-10)


@few
@given(seeds, spectra(4), st.booleans())
def test_svd_reconstructs_and_its_largest_left_elements_are_positive(seed, spectrum, tall):
    W = matrix(np.random.default_rng(seed), 4, 6, spectrum)
    W = W.mT if tall else W
    U, S, Vh = svd(W)
    torch.testing.assert_close(U * S @ Vh, W, **CLOSE)
    assert (U.gather(0, U.abs().argmax(0, keepdim=True)) > 0).all()


FUNCTIONS = {
    "psd_inverse_sqrt": lambda A: psd_inverse_sqrt(A @ A.mT, 9),
    "gram_factor": lambda A: gram_factor(A.unsqueeze(0), torch.ones(1)),
    "polar": polar,
    "procrustes": lambda A: procrustes(A, A.flip(-1)),
    "svd": lambda A: svd(A)[0],
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_batch_equals_a_loop(function):
    A = gaussian(np.random.default_rng(1), 5, 3, 9)
    torch.testing.assert_close(function(A), torch.stack([function(layer) for layer in A]), **CLOSE)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_float32_in_and_out_is_float64_inside(function):
    A = gaussian(np.random.default_rng(2), 5, 3, 9).float()
    assert function(A).dtype == torch.float32
    torch.testing.assert_close(function(A).double(), function(A.double()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_decomposition_that_fails_is_not_hidden(function):
    with pytest.raises(torch.linalg.LinAlgError):
        function(torch.full((1, 3, 9), torch.nan))
