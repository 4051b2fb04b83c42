"""Processes, locks, terminals, trees of files and users of the machine, without a word of packages."""
