"""A federation from one file: keys, and for each machine what starts its part there."""
