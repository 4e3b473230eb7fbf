"""What the server does around the strategy: begins or resumes a run, asks all nodes, scores the model."""
