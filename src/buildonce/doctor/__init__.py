"""What a release needs, looked at before anything is built: everything wrong at once."""
