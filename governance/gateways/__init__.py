"""Adapters of governance to the outside world."""
