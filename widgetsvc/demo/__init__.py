"""A demo tenant with believable calendars, and a partner's site on another origin."""
