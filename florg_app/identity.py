"""What a server and its clients must have in common, as digests that travel with every message."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from florg_app import code_version
from florg_app.start_adapter import StartAdapter
from strategies.bases.basis import Basis, Fixed, digest
from strategies.manifest import Manifest


def shared_identity(
    manifest: Manifest,
    backbone: str,
    label_names: Sequence[str],
    fixed: Mapping[str, Fixed],
    start: StartAdapter | None,
) -> dict[str, str]:
    """Return what every client must share with the server, a short digest each; see `strategies.exchange.wire.ADVICE`.

    Args:
        manifest: the layout of the run's tensors.
        backbone: a fingerprint of the frozen weights.
        label_names: of the classes, in order.
        fixed: by group, the FIXED tensors and the bases.
        start: the adapter that the run begins from; None: there is none.
    """
    values = [_fingerprint(value) for group in fixed.values() for value in group.values()]
    bases = hashlib.sha256("/".join(values).encode()).hexdigest()[:16]
    classes = hashlib.sha256("\n".join(label_names).encode()).hexdigest()[:16]
    return {
        "source": code_version.code_fingerprint(),
        "backbone": backbone,
        "manifest": manifest.digest,
        "classes": classes,
        "bases": bases,
        **({"start": start.fingerprint} if start else {}),
    }


def _fingerprint(value: Basis | torch.Tensor) -> str:
    if isinstance(value, Basis):
        return value.fingerprint()
    integers = np.rint(value.double().numpy() * 1e6).astype(np.int64)
    return digest("tensor", value.shape, integers)
