"""The service itself: one request in, ranked and generated results with reasons out."""

from persona.recommend.recommender import Recommender
from persona.recommend.types import Recommendation, RecommendationRequest
from persona.recommend.variations import VariationRequest, Variations

__all__ = ["Recommendation", "RecommendationRequest", "Recommender", "VariationRequest", "Variations"]
