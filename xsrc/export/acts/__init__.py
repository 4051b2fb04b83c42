"""The story of an exported package."""
