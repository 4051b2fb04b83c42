"""The bases that build roots stand on."""
