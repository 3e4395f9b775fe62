"""Raw Delta tables: their logs, pinned reads, file digests, and what removes or damages a version."""
