"""Runs of builds, and the pages about them."""
