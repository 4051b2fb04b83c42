"""Build styles as data (the TOML files here) and how they become scripts; pure."""
