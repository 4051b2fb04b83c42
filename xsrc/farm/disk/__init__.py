"""The database of the farm, and its links."""
