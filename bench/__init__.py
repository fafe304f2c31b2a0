"""Measures buildonce on Beacon against the workflow that it replaces, and against the floor."""
