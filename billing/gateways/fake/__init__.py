"""A small, stateful Stripe for development, demonstration and tests: same wire format, no money."""
