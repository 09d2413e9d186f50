"""Measuring the engine beside the untouched pipeline, in one run on one machine."""
