"""Builds: keys, jobs, phases and the order of work."""
