"""Keeping and removing: who needs which data version, what is left over, and proof that what is stored is whole."""
