"""``make bench-portal``: every page of the portal on a large installation."""
