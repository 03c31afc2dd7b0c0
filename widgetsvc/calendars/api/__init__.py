"""The backend's HTTP surface: one blueprint per family of endpoints."""
