"""What makes an engine, a registry and a cluster on a bare Debian: not needed beside a Docker."""
