"""Bases from Debian's packages and from source."""
