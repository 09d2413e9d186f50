"""The trained text gate: normalisation, heads, rules, language. Entry point: gate.TextGate."""
