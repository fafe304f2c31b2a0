"""A release in one file, for where there is no network: an OCI image layout with its records."""
