"""Server optimizers line by line, one number after another; NumPy float64.

FedAvgM: arXiv 1909.06335, section 3, v <- beta v + Delta, x <- x + eta v. The others: arXiv 2003.00295, algorithm 2.
"""

import numpy as np


def step(rule, x, mean, m, v, *, eta, beta, beta2, tau):
    """(x, m, v) of one tensor after a round whose uploads have this mean."""
    x, m, v = x.copy(), m.copy(), v.copy()
    for index in np.ndindex(x.shape):
        delta = mean[index] - x[index]
        if rule == "fedavgm":
            m[index] = beta * m[index] + delta
            x[index] = x[index] + eta * m[index]
            continue
        m[index] = beta * m[index] + (1 - beta) * delta
        if rule == "fedadagrad":
            v[index] = v[index] + delta**2
        if rule == "fedyogi":
            v[index] = v[index] - (1 - beta2) * delta**2 * np.sign(v[index] - delta**2)
        if rule == "fedadam":
            v[index] = beta2 * v[index] + (1 - beta2) * delta**2
        x[index] = x[index] + eta * m[index] / (np.sqrt(v[index]) + tau)
    return x, m, v
