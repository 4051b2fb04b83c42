"""Packages as trees of files: the content, needs and outcome of a sealed destdir."""
