"""Adapters to what judges: each classifier behind one small Protocol."""
