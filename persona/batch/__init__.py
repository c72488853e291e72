"""Catalogues for everybody, overnight: planned, made in shards on one machine or many, exactly once, and verified."""
