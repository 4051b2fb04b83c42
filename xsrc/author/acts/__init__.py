"""What contributors do with templates: read, change, write."""
