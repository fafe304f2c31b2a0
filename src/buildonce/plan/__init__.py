"""What a command is going to do, as data."""
