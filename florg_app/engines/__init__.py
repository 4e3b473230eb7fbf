"""How a run is run: in this process, in Ray's simulation, or on a federation's SuperLink."""
