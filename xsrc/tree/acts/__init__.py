"""Reads the templates that a command is about, and what they need."""
