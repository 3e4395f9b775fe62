"""Outputs in the lake: tables and models, written once, complete only with their marker."""
