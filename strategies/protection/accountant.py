"""What rounds of Gaussian noise add up to: the exact privacy curve, without sampling.

T Gaussian mechanisms of noise multiplier z, each chosen after the last one's outcome, are together exactly as private
as one of multiplier z / sqrt(T) (Dong, Roth, Su, arXiv 1905.02383, corollary 3.3), whose curve is known in closed form
(Balle, Wang, ICML 2018, arXiv 1805.06530, theorem 8). A Renyi accountant bounds the same from above; it is needed only
where sampling amplifies, which is not claimed here.
"""

from math import exp, inf, sqrt

from scipy.optimize import root_scalar
from scipy.special import log_ndtr, ndtr


def delta_of(epsilon: float, noise_multiplier: float, times: int) -> float:
    """Phi(m/2 - epsilon/m) - e^epsilon Phi(-m/2 - epsilon/m), m = sqrt(times) / noise_multiplier."""
    m = sqrt(times) / noise_multiplier
    tail = epsilon + float(log_ndtr(-m / 2 - epsilon / m))
    return float(ndtr(m / 2 - epsilon / m)) - exp(tail)


def epsilon(noise_multiplier: float, times: int, at: float) -> float:
    """The smallest epsilon >= 0 for which `times` rounds are (epsilon, at)-differentially private.

    0 for no round, infinite without noise.
    """
    if times == 0:
        return 0.0
    if noise_multiplier == 0:
        return inf
    if delta_of(0.0, noise_multiplier, times) <= at:
        return 0.0
    high = 1.0
    while delta_of(high, noise_multiplier, times) > at:
        high *= 2
    found = root_scalar(lambda value: delta_of(value, noise_multiplier, times) - at, bracket=(0.0, high), xtol=1e-12)
    return float(found.root)
