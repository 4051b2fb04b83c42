"""What the security tests share: people, builds of the helpers, sandboxes to look into."""
