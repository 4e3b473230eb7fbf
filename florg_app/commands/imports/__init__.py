"""Experiments of other programs for federated fine-tuning as settings of this one."""
