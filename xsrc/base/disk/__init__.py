"""The folder of bases."""
