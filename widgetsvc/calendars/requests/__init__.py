"""The bodies and queries that the API takes, checked and turned into values."""
