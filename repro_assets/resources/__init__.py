"""The outside: tables, lake, cluster, environment, tracking."""
