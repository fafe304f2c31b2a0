"""Measures buildonce: beside the workflow that it replaces, beside the floor, and in fleets."""
