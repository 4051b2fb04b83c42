"""Decisions: model in, model out; pure."""
