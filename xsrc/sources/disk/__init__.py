"""Fetches distfiles, and reads archives and git repositories."""
