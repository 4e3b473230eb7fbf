"""What a client knows of a secure sum between two messages, as a record of Context.state and back."""

from typing import Any

from flwr.app import ConfigRecord

from strategies.protection.secure_sum.client_steps import DealtSecrets, HeldShares
from strategies.protection.secure_sum.keys import RoundKeys

Knowledge = RoundKeys | DealtSecrets | HeldShares

KIND = "kind"
"""Key of the name of the class that a record holds."""


def to_record(knowledge: Knowledge) -> dict[str, Any]:
    """Return the values of a ConfigRecord that holds this knowledge."""
    kind = {KIND: type(knowledge).__name__}
    match knowledge:
        case RoundKeys():
            return {**kind, **_keys_to_record(knowledge)}
        case DealtSecrets():
            own = {"self-mask": knowledge.self_mask, "own-share": knowledge.own_share}
            return {**kind, **_keys_to_record(knowledge.keys), "participants": knowledge.participants, **own}
        case HeldShares():
            return {
                **kind,
                "threshold": knowledge.threshold,
                "masking-of": list(knowledge.masking),
                "masking": list(knowledge.masking.values()),
                "self-mask-of": list(knowledge.self_mask),
                "self-mask": list(knowledge.self_mask.values()),
            }


def from_record(record: ConfigRecord) -> Knowledge | None:
    """Read what `to_record` wrote; None where the record holds no knowledge."""
    values: dict[str, Any] = dict(record)
    match values.get(KIND):
        case RoundKeys.__name__:
            return _keys_from_record(values)
        case DealtSecrets.__name__:
            keys = _keys_from_record(values)
            return DealtSecrets(keys, values["participants"], values["self-mask"], values["own-share"])
        case HeldShares.__name__:
            masking = dict(zip(values["masking-of"], values["masking"], strict=True))
            self_mask = dict(zip(values["self-mask-of"], values["self-mask"], strict=True))
            return HeldShares(values["threshold"], masking, self_mask)
    return None


def _keys_to_record(keys: RoundKeys) -> dict[str, bytes]:
    return {"encryption": keys.encryption, "masking": keys.masking}


def _keys_from_record(values: dict[str, Any]) -> RoundKeys:
    return RoundKeys(values["encryption"], values["masking"])
