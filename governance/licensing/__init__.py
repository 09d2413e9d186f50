"""The licence as pure decisions: facts in, standing out; no database, no clock, no Django."""
