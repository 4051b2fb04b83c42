"""Writes the report of runs."""
