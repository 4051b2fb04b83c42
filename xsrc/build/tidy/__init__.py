"""The end of the install phase: what changes in a destdir before it becomes a package."""
