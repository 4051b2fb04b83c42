"""Build styles as data, and how they become scripts."""
