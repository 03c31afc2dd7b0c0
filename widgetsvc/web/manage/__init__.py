"""`/manage/v1`: the management API for tenants' own servers."""
