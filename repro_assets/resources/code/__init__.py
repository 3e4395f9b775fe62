"""Code: the source tree captured as a capsule, stored, proved, and compared with git."""
