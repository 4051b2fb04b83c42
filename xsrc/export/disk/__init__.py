"""The part of export that touches the disk."""
