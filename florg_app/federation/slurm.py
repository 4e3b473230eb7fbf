"""Jobs of Slurm: one that is a client for as long as it may run."""

HOURS = 24


def slurm_job(name: str, gpu: bool) -> str:
    """The script of a client's job, to be submitted from its folder. Its limits are first guesses."""
    gres = "#SBATCH --gres=gpu:1\n" if gpu else ""
    return f"""\
#!/usr/bin/env bash
#SBATCH --job-name=florg-{name}
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
{gres}#SBATCH --time={HOURS}:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --output=florg-{name}-%j.log
# sbatch job.sbatch, from this folder. A minute before its time is over the client ends in order; a run goes on
# without it, and with the next job of it. Your cluster may want --partition and --account as well.
set -eu
exec bash "$SLURM_SUBMIT_DIR/start.sh"
"""
