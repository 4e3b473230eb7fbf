"""The settings on what leaves a client and what one client can do to all, and which methods they suit, and why not."""

from collections.abc import Callable
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import model_validator

from florg_app.config.section import Count, Number, Positive, Section
from strategies.exchange.uploads import UploadForm
from strategies.method import Method
from strategies.plan import UPLOADED, Role, Weighting
from strategies.protection.privacy import Where
from strategies.protection.robust import Mean


class RobustSettings(Section, frozen=True):
    norm_bound: Annotated[float, Ge(0)] = 0.0
    """An upload whose change has more than this many times the median norm of the round's is rejected; 0 = none is."""
    combine: Mean = "mean"
    """Of the clients' summands: the weighted mean, or per coordinate the median or the mean without the extremes."""
    trim: Annotated[float, Gt(0), Lt(0.5)] = 0.1
    """Share of the values of a coordinate that "trimmed-mean" leaves out at each end."""
    max_share: Annotated[float, Gt(0), Le(1)] = 0.9
    """The largest share of a round's weight that one client has; what is above is spread over the others."""

    @model_validator(mode="after")
    def _the_median_is_within_the_bound(self) -> "RobustSettings":
        if 0 < self.norm_bound < 1:
            raise ValueError(
                f"robust.norm-bound = {self.norm_bound} is below 1 and would reject every other upload; "
                "set it to 0 (no bound), or to 1 or more"
            )
        return self


class PrivacySettings(Section, frozen=True):
    noise_multiplier: Annotated[float, Ge(0)] = 0.0
    """Standard deviation of the noise in units of the sensitivity; 0 = no privacy mechanism at all."""
    clip: Annotated[float, Gt(0)] = 1.0
    """The largest L2 norm of a client's change, over all that it uploads."""
    delta: Annotated[float, Gt(0), Lt(1)] = 1e-5
    """For which the spent epsilon is reported."""
    where: Where = "client"
    secure_sum: bool = False
    """The server learns the weighted sum of a round's summands, and no summand."""
    max_dropouts: Count = 1
    """Of a secure sum: how many of the clients asked may drop out of a round; with more the round is skipped."""
    max_number: Positive = 256.0
    """Of a secure sum: the largest absolute value in a summand; the smaller, the finer its fixed point."""
    max_examples: Number = 65536
    """Of a secure sum weighted by examples: the most examples of a client; the fewer, the finer its fixed point."""

    @model_validator(mode="after")
    def _sums_stay_fine(self) -> "PrivacySettings":
        if self.max_number * self.max_examples > 2**32:
            raise ValueError(
                f"privacy.max-number = {self.max_number:g} times privacy.max-examples = {self.max_examples} is above "
                "2^32, which leaves a secure sum of 1000 clients fewer than 20 bits behind the point; lower one of them"
            )
        return self


Reason = str
"""Why not; empty where nothing speaks against it."""


def weighting_of(given: Literal["method", "uniform", "examples"], method: Method) -> Weighting:
    """Of strategy.weighting: as the method's paper, or as said."""
    return method.plan.weighting if given == "method" else given


def no_summand(method: Method) -> Reason:
    """Why its clients cannot upload summands."""
    if method.traits.needs == "stack":
        return "needs all uploads side by side, and has no summand of one client"
    return ""


def no_robust_mean(method: Method) -> Reason:
    """Why its summands cannot be combined coordinate by coordinate."""
    if method.traits.needs == "stack":
        return "combines the uploads themselves, and has no summands to take a median of"
    return ""


def no_client_privacy(method: Method) -> Reason:
    """Why noise on its clients' uploads would not protect them."""
    roles = (*method.plan.roles.values(), method.plan.head)
    if method.traits.pooled:
        return "trains one client on the rows of all, so that there is no client's change to bound"
    if not any(role in UPLOADED for role in roles):
        return "uploads nothing, so that there is nothing to protect"
    if Role.REPORTED in roles:
        return "has clients report what they keep, which grew out of all earlier rounds and has no bounded change"
    return ""


def no_server_privacy(method: Method) -> Reason:
    """Why noise on the mean of its uploads would not protect them."""
    if reason := no_client_privacy(method):
        return reason
    if not method.traits.mean_of_uploads:
        return "sums something else than the uploads, of which clipping a client's change does not bound one summand"
    if method.traits.client_ranks:
        return "has clients of several ranks, whose padding changes the mean by more than the clip"
    return ""


NO_PRIVACY: dict[Where, Callable[[Method], Reason]] = {"client": no_client_privacy, "server": no_server_privacy}


def check_upload(upload: UploadForm, method: Method, weighting: Weighting) -> None:
    """Raise ValueError where clients cannot upload summands."""
    if upload == "tensors":
        return
    given = f'strategy.upload = "{upload}" is impossible with strategy.name = "{method.name}", which '
    if reason := no_summand(method):
        raise ValueError(f'{given}{reason}; set it to "tensors", or choose another strategy.name')
    if weighting == "norm":
        raise ValueError(
            f'{given}weighs uploads by norms that the server takes of the clients\' tensors; set it to "tensors", '
            'or strategy.weighting = "uniform"'
        )


def check_robust(robust: RobustSettings, method: Method, weighting: Weighting) -> None:
    """Raise ValueError where a robust combination has no meaning, or no effect against a client that lies."""
    if robust.combine == "mean":
        return
    given = f'robust.combine = "{robust.combine}"'
    if reason := no_robust_mean(method):
        raise ValueError(
            f'{given} is impossible with strategy.name = "{method.name}", which {reason}; set it to "mean", '
            "or choose another strategy.name"
        )
    if weighting != "uniform":
        raise ValueError(
            f"{given} counts every client alike, but the weights are by {weighting}, which a client could lie about to "
            'outvote the others; set strategy.weighting = "uniform"'
        )


def check_privacy(
    privacy: PrivacySettings, robust: RobustSettings, method: Method, weighting: Weighting, scores: bool
) -> None:
    """Raise ValueError where the promised epsilon would not hold; `scores`: whether clients send their own scores."""
    if not privacy.noise_multiplier:
        return
    given = f'privacy.where = "{privacy.where}"'
    off = "or privacy.noise-multiplier = 0 (no privacy)"
    if reason := NO_PRIVACY[privacy.where](method):
        other = "" if privacy.where == "client" or no_client_privacy(method) else 'privacy.where = "client", '
        raise ValueError(
            f'{given} is impossible with strategy.name = "{method.name}", which {reason}; set {other}'
            f"another strategy.name, {off}"
        )
    if weighting == "examples" or (privacy.where == "server" and weighting != "uniform"):
        raise ValueError(
            f"{given} needs weights that say nothing of a client's rows and bound its share, but they are by "
            f'{weighting}; set strategy.weighting = "uniform", {off}'
        )
    if privacy.where == "server" and (robust.norm_bound or robust.combine != "mean"):
        raise ValueError(
            f"{given} adds noise for a plain mean: with robust.norm-bound or robust.combine one client would change "
            'what the others count for; set robust.norm-bound = 0 and robust.combine = "mean", '
            f'privacy.where = "client", {off}'
        )
    if privacy.where == "client" and scores:
        raise ValueError(
            f"{given} covers what clients upload, and evaluate.on-clients = true would send scores of their own rows "
            f"beside it; set it to false, {off}"
        )
