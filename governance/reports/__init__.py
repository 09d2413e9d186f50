"""Compliance reports: figures from the log's entries, evidence from every app, one signed bundle."""
