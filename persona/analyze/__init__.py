"""Profiles, tastes and fairness for analysts: SQL views as pandas frames, segments, drift and reports."""

from persona.analyze.store import AnalystStore, open_store

__all__ = ["AnalystStore", "open_store"]
