"""Makes bases."""
