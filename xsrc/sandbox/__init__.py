"""The view of a process in a build root or in the stowed root."""
