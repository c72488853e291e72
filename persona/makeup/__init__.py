"""Makeup: a face read from a photo, looks as descriptions that can be edited, and their rendering on that face."""
