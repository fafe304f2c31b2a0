"""Tells others how a promotion ended. Nothing here can make one fail."""
