"""The bases that build roots end in."""
