"""The history of releases and promotions, kept on a git branch."""
