"""A ports tree in the manner of xbps-src, with a stow-based masterdir."""

__version__ = "0.1.0"
