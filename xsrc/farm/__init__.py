"""The stowed root: the places of its files, and the changes from one state to the next."""
