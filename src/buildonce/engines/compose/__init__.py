"""Docker Compose on one host, or on several."""
