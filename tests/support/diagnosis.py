"""The aggregation error of uploads that are all there."""

from collections.abc import Sequence

from strategies.bases.basis import Fixed
from strategies.parametrisation import Parametrisation
from strategies.server.mean_update import MeanUpdate
from strategies.state import Tensors


def aggregation_error(
    parametrisation: Parametrisation,
    fixed: Fixed,
    scale: float,
    uploads: Sequence[Tensors],
    w: Sequence[float],
    old: Tensors,
    new: Tensors,
) -> float:
    """||dW_new - sum_n w_n dW_n||_F / ||sum_n w_n dW_n||_F of one group, as a round gathers it."""
    mean = MeanUpdate(parametrisation, fixed, scale, old)
    for upload, weight in zip(uploads, w, strict=True):
        mean.add(upload, weight)
    return mean.error_of(new, w)
