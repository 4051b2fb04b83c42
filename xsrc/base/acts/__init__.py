"""Chooses the base of a session."""
