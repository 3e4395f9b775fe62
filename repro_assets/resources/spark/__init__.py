"""Spark: the session of a cluster file, what it really runs on, and standalone clusters on this host."""
