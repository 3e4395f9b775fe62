"""Generator of a small realistic feed, so that the demo needs no download."""
