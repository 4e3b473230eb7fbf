"""`florg doctor`: what is wrong on this machine, before a run finds out. One file per concern."""
