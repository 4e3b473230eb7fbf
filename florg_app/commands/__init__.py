"""What commands of the terminal do whose work is no part of a run."""
