"""Beacon's api: takes the web addresses to watch and shows their latest results."""
