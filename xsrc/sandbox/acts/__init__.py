"""Finds the helpers of a session."""
