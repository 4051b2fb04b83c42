"""The stories of repositories."""
