"""The outside world of money: Stripe, or its labelled stand-in when no key is configured."""
