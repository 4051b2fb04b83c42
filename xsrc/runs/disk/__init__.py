"""The journal, and the folder of pages."""
