"""What a comparison is to run: the matrix of methods, variants and seeds, and the settings of every cell."""
