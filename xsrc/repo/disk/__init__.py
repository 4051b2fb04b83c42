"""The part of repo that touches the disk."""
