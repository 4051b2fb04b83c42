"""Binary packages: what leaves the masterdir, in the format that xbps reads."""
