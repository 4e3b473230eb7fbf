"""One layer of settings over another: files of conf/, --set; in a comparison [settings], variants and labels too."""

from collections.abc import Collection

from florg_app.config.flat import FlatConfig, FlatValue, method_of


def overlay(lower: FlatConfig, upper: FlatConfig, known: Collection[str]) -> dict[str, FlatValue]:
    """`upper` over `lower`; where `upper` names a method, what `lower` sets of the `known` keys of others is left out.

    So a file made for one method serves the others with --set strategy.name=…, while settings of another method beside
    the name, or above it, stay and are refused by `parse`, as are misspelt ones.
    """
    name = upper.get("strategy.name")
    foreign = {key for key in lower if name is not None and key in known and method_of(key) not in (None, name)}
    return {key: value for key, value in lower.items() if key not in foreign} | dict(upper)
