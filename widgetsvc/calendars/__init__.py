"""The embedded application-calendar backend: Cronofy's API for application calendars, self-hosted."""
