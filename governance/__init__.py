"""The tenant and what governs it, and the project package."""
