"""Scans, seals and splits destdirs."""
