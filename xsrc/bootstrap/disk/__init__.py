"""Asks apt."""
