"""Beacon's worker: probes the watched web addresses and records the results."""
