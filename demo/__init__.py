"""A commit's way to a verified production, played with the real commands in a scratch clone."""
