"""Reads the tree."""
