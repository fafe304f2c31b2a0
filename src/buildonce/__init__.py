"""Build each service's image once per commit, promote those bytes, prove they are the same."""
