"""Tests of what the helpers promise: each requirement of SECURITY.md, weakened builds, attacks, fuzzing."""
