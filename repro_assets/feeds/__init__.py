"""Published files → validated rows → one Delta commit each."""
