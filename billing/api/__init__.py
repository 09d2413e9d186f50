"""HTTP of billing: the payment provider's webhooks."""
