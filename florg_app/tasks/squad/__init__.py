"""Question answering on SQuAD v1.1."""
