"""The pages that the backend shows to people."""
