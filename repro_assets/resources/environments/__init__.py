"""Environments: the running interpreter held against its lock, and others made from theirs."""
