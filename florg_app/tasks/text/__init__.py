"""Tasks that give one label to a text or a pair of texts."""
