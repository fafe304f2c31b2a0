"""The state of things as one HTML page: pure functions from data to markup."""
