"""Looks and faces to test advice with."""

from __future__ import annotations

from typing import Any

from persona.makeup.analysis import FaceAnalysis, FaceShape, SkinTone
from persona.makeup.look import Look, Product
from persona.makeup.monk import monk_lab

SHAPES = ("oval", "round", "square", "heart", "oblong")


def look(title: str, occasions: tuple[str, ...] = (), seasons: tuple[str, ...] = (), **products: Any) -> Look:
    """products: by region, (colour, opacity, finish) or with a placement too."""
    made = []
    for region, said in products.items():
        colour, opacity, finish, *placement = said
        made.append(Product(region=region, lab=colour, opacity=opacity, finish=finish, placement=(*placement, None)[0]))
    return Look(title=title, occasions=occasions, seasons=seasons, products=made)


LOOKS: list[tuple[str, Look]] = [
    ("bare", look("Barely there", ("everyday", "work"), skin=("#d7bd96", 0.2, "satin"),
                  brows=("#6b4f3a", 0.3, "matte"), lips=("#c08a7a", 0.4, "satin"))),
    ("rose", look("Soft rose", ("everyday", "wedding"), ("spring",), cheeks=("#d98a8f", 0.3, "satin"),
                  lids=("#c9a9a0", 0.4, "satin"), lips=("#c9707a", 0.6, "satin"))),
    ("office", look("Office", ("work",), skin=("#d7bd96", 0.3, "matte"), cheeks=("#c98a78", 0.25, "matte"),
                    lids=("#a98a78", 0.4, "matte"), crease=("#7d6150", 0.3, "matte"),
                    liner=("#3a2c26", 0.5, "matte"), lips=("#b5665f", 0.65, "satin"))),
    ("red", look("Classic red", ("evening", "party", "wedding"), ("winter",), liner=("#15110f", 0.9, "satin", "wing"),
                 lids=("#d9bfa8", 0.3, "satin"), lip_liner=("#9c1526", 0.8, "matte"),
                 lips=("#b0152c", 0.95, "matte"))),
    ("coral", look("Coral", ("everyday", "party"), ("summer",), cheeks=("#f0886c", 0.35, "satin"),
                   lids=("#e0b080", 0.4, "shimmer"), lips=("#f0725c", 0.75, "gloss"))),
    ("berry", look("Berry", ("evening",), ("autumn", "winter"), cheeks=("#a8506a", 0.3, "satin"),
                   lids=("#8a6a72", 0.5, "satin"), lips=("#7a1f4b", 0.9, "matte"))),
    ("smoky", look("Smoky", ("evening", "party"), lids=("#3a3230", 0.8, "matte", "smoky"),
                   crease=("#2a2422", 0.7, "matte", "smoky"), liner=("#0f0d0d", 1.0, "matte", "smoky"),
                   contour=("#8f6f52", 0.4, "matte"), lips=("#b98473", 0.6, "satin"))),
    ("blue", look("Electric blue", ("party", "stage"), lids=("#2f5fc4", 0.8, "shimmer"),
                  liner=("#14256b", 0.9, "matte", "wing"), highlight=("#f2e0d0", 0.4, "shimmer"),
                  lips=("#d9a08f", 0.6, "gloss"))),
    ("bronze", look("Bronzed", ("everyday", "evening"), ("summer", "autumn"), contour=("#9a704c", 0.4, "matte"),
                    highlight=("#f0cf9c", 0.4, "shimmer"), cheeks=("#c9774f", 0.3, "satin"),
                    lids=("#b07a45", 0.5, "shimmer"), lips=("#b0705a", 0.6, "gloss"))),
    ("stage", look("Footlights", ("stage",), skin=("#d7bd96", 0.7, "matte"), cheeks=("#c4485a", 0.6, "matte", "draped"),
                   lids=("#5a3f6a", 0.8, "matte", "smoky"), liner=("#0a0a0a", 1.0, "matte", "wing"),
                   brows=("#3a2a20", 0.8, "matte", "arched"), lips=("#a8142a", 1.0, "matte"))),
    ("none", look("Bare face")),
]  # fmt: skip


def face(
    monk: int | None = 5, undertone: str | None = "neutral", shape: str | None = "oval", *, certain: bool = True,
    stated: tuple[str, ...] = (), monk_range: tuple[int, int] | None = None, scores: dict[str, float] | None = None,
    **skin: Any,
) -> FaceAnalysis:  # fmt: skip
    """An analysis; its skin has the colour of its Monk tone."""
    if scores is None:
        scores = dict.fromkeys(SHAPES, 0.0 if shape else 0.2) | ({shape: 1.0} if shape else {})
    given: dict[str, Any] = {"lab": monk_lab(monk) if monk and certain else None, "ita": None, **skin}
    tone = SkinTone(
        monk=monk, monk_range=monk_range or ((monk, monk) if monk else None), undertone=undertone, certain=certain,
        stated=stated, **given,
    )  # fmt: skip
    return FaceAnalysis(skin=tone, shape=FaceShape(shape=shape, scores=scores))
