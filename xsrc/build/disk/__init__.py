"""Work directories and worker processes."""
