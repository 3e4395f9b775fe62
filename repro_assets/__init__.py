"""Can you get that result again? Data, code, environment and compute of every materialization, pinned."""

__version__ = "0.1.0"
