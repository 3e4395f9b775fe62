"""Declared assumptions as versioned data files."""
