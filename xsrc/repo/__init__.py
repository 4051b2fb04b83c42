"""Repositories of binary packages: their indexes, signatures and checks."""
