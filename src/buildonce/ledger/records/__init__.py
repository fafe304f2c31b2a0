"""What the ledger's files say, as frozen records."""
