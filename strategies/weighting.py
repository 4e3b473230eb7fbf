"""What a client's upload counts for in the round's weighted sum, before all weights are divided by their sum."""

from strategies.linalg import squared_norm_of_product
from strategies.method import HEAD, Plan, Weighting
from strategies.parametrisation import PARAMETRISATIONS
from strategies.screen import Upload


def raw_weight(weighting: Weighting, plan: Plan, upload: Upload) -> float:
    """1, the number of training examples, or ||dW_n||_F over all layers of all groups, without the scale.

    The norm is that of the factors' product, of methods that upload both: O((o + i) r^2) per layer.
    """
    if weighting == "norm":
        make = PARAMETRISATIONS[plan.adapter].factors
        groups = (tensors for name, tensors in upload.tensors.items() if name != HEAD)
        wide = ({symbol: tensor.double() for symbol, tensor in tensors.items()} for tensors in groups)
        return sum(squared_norm_of_product(*make(tensors, {}, 1.0)) for tensors in wide) ** 0.5
    return upload.num_examples if weighting == "examples" else 1.0
