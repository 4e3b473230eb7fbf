"""The numbers about a round's step that go into its record, for every shape group."""

from collections.abc import Mapping

from strategies.combine import Combination
from strategies.diagnostics import aggregation_error
from strategies.manifest import Manifest, State, begun
from strategies.method import Fixed
from strategies.parametrisation import PARAMETRISATIONS


def diagnose(
    manifest: Manifest, bases: Mapping[str, Fixed], combination: Combination, new: State
) -> dict[str, dict[str, float]]:
    """By group: the aggregation error of a finished combination, and the method's own numbers.

    The error is that of uploaded tensors, and is left out where the combination kept none: they were summands.

    bases: as `diagnostics.for_norms` gives them; new: the state that the combination made.
    """
    method, old = combination.method, combination.given
    w = [weight / sum(combination.weights) for weight in combination.weights]
    next_begins = begun(method, manifest, new, combination.t + 1)
    parametrisation = PARAMETRISATIONS[manifest.plan.adapter]
    result: dict[str, dict[str, float]] = {}
    for name in (group.name for group in manifest.groups):
        result[name] = method.diagnose(old[name], new[name])
        if uploads := [upload[name] for upload in combination.uploads]:
            error = aggregation_error(
                parametrisation, bases[name], manifest.scale, uploads, w, old[name], next_begins[name]
            )
            result[name] = {"aggregation-error": error, **result[name]}
    return result
