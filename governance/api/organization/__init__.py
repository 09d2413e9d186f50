"""``/v1/organization``: what the openai package calls through its admin client, unmodified."""
