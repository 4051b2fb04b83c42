"""Enters sandboxes by the helpers, and looks at what the machine has for them."""
