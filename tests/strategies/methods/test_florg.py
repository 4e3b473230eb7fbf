"""Facts about FLoRG's server step: its three solvers, the Nystrom form, and what alignment does."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strategies.methods.florg import FLoRG
from strategies.server.combination import aggregate
from tests.reference import florg as reference
from tests.support.generators import gaussian, matrix, orthogonal, seeds, sizes, spectra, weights

CLOSED, LITERAL, TRUNCATE = (FLoRG(solver=solver) for solver in ("closed-form", "literal", "truncate"))
SOLVERS = pytest.mark.parametrize("method", [CLOSED, LITERAL, TRUNCATE], ids=lambda method: method.solver)
few = settings(max_examples=40)


def step(method, A, A_n, w):
    """A^{t+1}."""
    return aggregate(method, 1, {"A": A}, [{"A": upload} for upload in A_n], w)["A"]


def mean_gram(A_n, w):
    return sum(weight * A.mT @ A for weight, A in zip(w, A_n, strict=True)) / sum(w)


def gram(A):
    return A.mT @ A


def close(actual, expected, atol=1e-9):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


@st.composite
def rounds(draw, smallest=(0.1,)):
    """(A (l, r, k), uploads, weights): chosen spectra of the uploads, a well-conditioned A in general position."""
    size, rng = draw(sizes()), np.random.default_rng(draw(seeds))
    A = torch.stack([matrix(rng, size.r, size.k, draw(spectra(size.r, (0.5,)))) for _ in range(size.l)])
    A_n = [
        torch.stack([matrix(rng, size.r, size.k, draw(spectra(size.r, smallest))) for _ in range(size.l)])
        for _ in range(size.n)
    ]
    return A, A_n, weights(rng, size.n)


def sees(A, A_n, w, least=1e-2):
    """Whether A Q A^T is well away from singular, so that the aligned factor is unique."""
    return torch.linalg.eigvalsh(A @ mean_gram(A_n, w) @ A.mT).min() > least**2


@few
@given(rounds())
def test_closed_form_is_the_literal_solver_and_the_reference(drawn):
    A, A_n, w = drawn
    assume(sees(A, A_n, w))
    closed = step(CLOSED, A, A_n, w)
    close(closed, step(LITERAL, A, A_n, w))
    shares = np.array(w) / sum(w)
    uploads = [{"A": upload.numpy()} for upload in A_n]
    settings = dataclasses.asdict(LITERAL)
    close(closed, torch.from_numpy(reference.aggregate(1, {"A": A.numpy()}, uploads, shares, **settings)["A"]))


def rounding(A, A_n, w, A_new):
    """(l,) By how much rounding may lift the closed form's Gram matrix above Q, to first order; e are the eigenvalues
    of M = A Q A^T that are kept, Z = A Q and P = M^+ Z.

    Elements of M^(-1/2), up to e_min^(-1/2), are sums of r products: A_new is known to r eps |Z| / sqrt(e_min). M, a
    sum of k products, is known to k eps |A|^2 |Q|, which M^+ carries into the Gram matrix times |P|^2.
    """
    Q, (r, k), eps = mean_gram(A_n, w), A.shape[1:], torch.finfo(torch.float64).eps
    Z = A @ Q
    e, V = torch.linalg.eigh(Z @ A.mT)
    e = torch.where(e > k * eps * e[:, -1:], e, torch.inf)
    size = partial(torch.linalg.matrix_norm, ord=2)
    P = V.mT @ Z / e.unsqueeze(-1)
    return (
        2 * r * eps * size(Z) * size(A_new) / e.amin(-1).sqrt() + k * eps * size(A) ** 2 * size(Q) * (1 + size(P)) ** 2
    )


@few
@given(rounds(smallest=(0.0, 1e-6)))
def test_the_closed_forms_gram_matrix_is_psd_and_never_exceeds_the_mean(drawn):
    A, A_n, w = drawn
    A_new, Q = step(CLOSED, A, A_n, w), mean_gram(A_n, w)
    assert torch.linalg.eigvalsh(gram(A_new)).min() > -1e-12
    assert (torch.linalg.eigvalsh(Q - gram(A_new)).amin(-1) > -rounding(A, A_n, w, A_new)).all()


@few
@given(rounds(smallest=(0.0, 1e-6)))
def test_truncation_errs_by_the_tail_of_the_spectrum_and_no_solver_by_less(drawn):
    A, A_n, w = drawn
    Q, r = mean_gram(A_n, w), A.shape[1]
    tail = torch.linalg.eigvalsh(Q)[:, : Q.shape[-1] - r].norm(dim=-1)
    close((gram(step(TRUNCATE, A, A_n, w)) - Q).norm(dim=(-2, -1)), tail)
    for method in (CLOSED, LITERAL):
        assert ((gram(step(method, A, A_n, w)) - Q).norm(dim=(-2, -1)) >= tail - 1e-9).all()


@SOLVERS
@few
@given(rounds(smallest=(0.0,)), seeds)
def test_clients_of_one_gram_matrix_return_it_exactly(method, drawn, seed):
    """r' <= r: nothing is lost by any solver, also at a lower rank and with repeated eigenvalues."""
    A, A_n, w = drawn
    rng = np.random.default_rng(seed)
    turned = [orthogonal(rng, A.shape[1]) @ A_n[0] for _ in w]
    F = A_n[0]
    assume(torch.equal(*(torch.linalg.matrix_rank(M, rtol=1e-3) for M in (A @ F.mT, F))))
    close(gram(step(method, A, turned, w)), gram(F), atol=1e-6)


@SOLVERS
@few
@given(rounds(smallest=(0.5,)))
def test_clients_that_changed_nothing_return_the_same_factor(method, drawn):
    A, _, w = drawn
    close(step(method, A, [A] * len(w), w), A)


@SOLVERS
@few
@given(rounds(), seeds)
def test_each_clients_own_rotation_leaves_the_factor_unchanged(method, drawn, seed):
    A, A_n, w = drawn
    rng = np.random.default_rng(seed)
    turned = [orthogonal(rng, A.shape[1]) @ upload for upload in A_n]
    assume(sees(A, A_n, w))
    close(gram(step(method, A, turned, w)), gram(step(method, A, A_n, w)), atol=1e-8)


def separated(seed=3, n=4, r=3, k=7):
    """A round with a simple spectrum and r' > r, in which every solver's factor is unique."""
    rng = np.random.default_rng(seed)
    return gaussian(rng, 2, r, k), [gaussian(rng, 2, r, k) for _ in range(n)], [1.0, 5.0, 2.0, 3.0][:n]


@SOLVERS
def test_rotation_of_the_clients_leaves_the_factor_itself_unchanged(method):
    A, A_n, w = separated()
    rng = np.random.default_rng(0)
    close(step(method, A, [orthogonal(rng, 3) @ upload for upload in A_n], w), step(method, A, A_n, w))


def test_the_mean_of_the_factors_is_affected_by_rotations():
    _, A_n, _ = separated()
    turned = [orthogonal(np.random.default_rng(0), 3) @ upload for upload in A_n]
    assert not torch.allclose(sum(turned), sum(A_n))


@SOLVERS
def test_turning_the_broadcast_factor_turns_the_new_one_with_it(method):
    A, A_n, w = separated()
    S = orthogonal(np.random.default_rng(1), 3)
    close(step(method, S @ A, A_n, w), S @ step(method, A, A_n, w))


@SOLVERS
def test_alignment_makes_the_product_with_the_old_factor_symmetric_psd(method):
    A, A_n, w = separated()
    product = A @ step(method, A, A_n, w).mT
    close(product, product.mT)
    assert torch.linalg.eigvalsh(product).min() > 0


def test_no_rotation_of_the_truncated_factor_is_nearer_to_the_old_one():
    A, A_n, w = separated()
    new = step(TRUNCATE, A, A_n, w)
    rng = np.random.default_rng(2)
    for _ in range(50):
        assert (new - A).norm() <= (orthogonal(rng, 3) @ new - A).norm()


@pytest.mark.parametrize("solver", ["literal", "truncate"])
def test_without_alignment_the_leading_rows_come_as_they_are(solver):
    A, A_n, w = separated()
    new = step(FLoRG(solver=solver, align=False), A, A_n, w)
    close(gram(new), gram(step(TRUNCATE, A, A_n, w)))
    rows = new @ new.mT
    close(rows, torch.diag_embed(rows.diagonal(dim1=-2, dim2=-1)))
    assert (rows.diagonal(dim1=-2, dim2=-1).diff() < 0).all()


@pytest.mark.parametrize("solver", ["literal", "truncate"])
def test_without_alignment_missing_rank_is_filled_up_with_zero_rows(solver):
    A, A_n, w = separated()
    thin = [torch.cat([upload[:, :1], torch.zeros(2, 2, 7)], 1) for upload in A_n[:1]]
    new = step(FLoRG(solver=solver, align=False), A, thin, w[:1])
    assert new.shape == A.shape
    close(new[:, 1:], torch.zeros(2, 2, 7).double())
    close(gram(new), gram(thin[0]))


@SOLVERS
def test_layers_may_lose_rank_one_by_one(method):
    """r' differs between the layers of a group: layer 0 has rank 1 and layer 1 has rank r."""
    A, A_n, _ = separated()
    thin = A_n[0].clone()
    thin[0, 1:] = 0
    close(gram(step(method, A, [thin], [1.0])), gram(thin))


def test_a_factor_without_spectrum_comes_back_as_zero():
    A, _, _ = separated()
    for method in (CLOSED, LITERAL, TRUNCATE):
        assert step(method, A, [torch.zeros_like(A)], [1.0]).count_nonzero() == 0


def test_the_closed_form_resolves_singular_values_down_to_a_thousandth():
    rng = np.random.default_rng(4)
    A = matrix(rng, 3, 40, (1.0, 0.1, 2e-3)).unsqueeze(0)
    close(step(CLOSED, A, [A], [1.0]), A, atol=1e-6)
    lost = matrix(rng, 3, 40, (1.0, 0.1, 1e-5)).unsqueeze(0)
    assert torch.linalg.matrix_rank(step(CLOSED, lost, [lost], [1.0])[0], rtol=1e-6) == 2
    close(step(LITERAL, lost, [lost], [1.0]), lost)


def test_float32_uploads_give_the_float64_result_to_float32_accuracy():
    A, A_n, w = separated()
    single = [upload.float() for upload in A_n]
    for method in (CLOSED, LITERAL, TRUNCATE):
        close(step(method, A.float(), single, w).double(), step(method, A, A_n, w), atol=1e-5)
