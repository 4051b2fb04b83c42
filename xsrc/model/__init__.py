"""Frozen values, how they are read from text and written to it; no input or output happens here."""
