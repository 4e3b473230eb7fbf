"""Why an exported adapter has another rank than adapter.rank, in a sentence."""

from torch import Tensor

from florg_app.checkpoints.load_run import LoadedRun


def rank_words(run: LoadedRun, rank: int) -> tuple[str, ...]:
    """Return what factors of this rank hold beside those that were trained, as a note; none where that is nothing."""
    trained, assembly = run.settings.adapter.rank, run.assembly
    if rank <= trained:
        return ()
    constants = {
        symbol for own in assembly.fixed.values() for symbol, value in own.items() if isinstance(value, Tensor)
    }
    subtracted = constants - assembly.manifest.plan.roles.keys()
    held = [
        *(["what training started from, which is subtracted"] if subtracted else []),
        *(["the adapter that the run began from"] if assembly.start and assembly.start.merged else []),
    ]
    what = " and ".join(held or ["what the server has added in the course of the run"])
    return (f"The adapter has rank {rank}, where adapter.rank = {trained}: its factors also hold {what}.",)
