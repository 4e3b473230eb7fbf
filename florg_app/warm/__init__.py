"""A SuperNode whose clients stay: one process per run keeps the model, the rows and the GPU between messages.

Flower starts a process for every message and ends it with the reply. Here the SuperNode runs with `--isolation
process`, and a worker takes its tasks and hands each to the resident process of its run, which works on it by Flower's
own function. Imports nothing of the project, whose code a run brings along; in the Docker image it is `python -m warm`.
"""
