"""How the cells of a comparison are run: processes, disk, progress, tuning."""
