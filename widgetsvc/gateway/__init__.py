"""Who may embed what, and where: tenants, origins, calendars and the tokens minted for them."""
