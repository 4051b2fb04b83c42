"""Stows and unstows, each in one change that can be resumed or taken back."""
