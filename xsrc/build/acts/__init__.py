"""Builds packages: decides, runs, records."""
