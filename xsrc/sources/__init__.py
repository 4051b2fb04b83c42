"""Distfiles: their addresses, and which members of an archive may pass."""
