"""What contributors work on templates with."""
