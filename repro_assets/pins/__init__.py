"""Pure: what makes a result, as documents and digests."""
