"""Templates: their format, what they mean on one machine, and how they depend on each other."""
