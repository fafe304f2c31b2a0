"""What Beacon's services share: models, settings and the store."""
