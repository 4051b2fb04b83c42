"""What touches the world; small, without policy."""
