"""The only door to Cronofy's API, be it the cloud or the embedded backend."""
