"""A tiny model of the Krea 2 classes, trained from scratch on procedural scenes, and the code that
makes and measures it.
"""
