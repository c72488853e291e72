"""The service itself: one request in, ranked and generated results with reasons out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persona.lazy import lazily

if TYPE_CHECKING:
    from persona.recommend.recommender import Recommender
    from persona.recommend.types import Recommendation, RecommendationRequest
    from persona.recommend.variations import VariationRequest, Variations

__all__ = ["Recommendation", "RecommendationRequest", "Recommender", "VariationRequest", "Variations"]
__getattr__ = lazily(
    __name__,
    {
        "Recommender": "recommender",
        "Recommendation": "types",
        "RecommendationRequest": "types",
        "VariationRequest": "variations",
        "Variations": "variations",
    },
)
