"""How fast the public API is, side by side with another in one run."""
