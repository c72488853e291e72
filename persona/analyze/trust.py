"""The trust report: is the model fair to everybody, whose pictures are these, and what became of people's rights?

It counts what may be counted, leaves out groups of fewer than SMALLEST users, and says in words what it cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from persona.analyze.groups import SMALLEST, TRAITS
from persona.analyze.store import AnalystStore
from persona.analyze.trust_making import making_quality
from persona.analyze.trust_models import copying, model_cards
from persona.analyze.trust_ranking import Asked, Foreseen, ask, foresee, ranking_quality
from persona.analyze.trust_shown import exposure, online_rates, places
from persona.arms import arms_of
from persona.catalog.pictures import Pictures
from persona.catalog.visual import VisualNetwork
from persona.gan import GarmentModel
from persona.recommend.catalogue import load_table
from persona.recommend.recommender import VISUAL
from persona.settings import Settings
from persona.store import Store
from persona.store.trust import RightsCount
from persona.store.warehouse import Warehouse
from persona.taste.model import TasteModel

Report = dict[str, Any]
UNCLEAR = ("", "none", "unknown", "unclear", "?")  # licences and sources that say nothing


@dataclass(frozen=True)
class Extent:
    """How many users, at most, rankings and generated garments are judged by."""

    ranked: int = 2000
    drawn: int = 200


QUICK = Extent(400, 60)


def trust_report(settings: Settings, extent: Extent = Extent(), seed: int = 0) -> Report:
    """The whole report as JSON holds it. Raises as the openers of the store and of models do."""
    arm = next(iter(arms_of(settings).values()))
    visual = VisualNetwork.load(settings.models / VISUAL)
    taste = TasteModel.load(settings.models / arm.taste)
    generator = GarmentModel.load(settings.models / arm.generator, settings.torch_device)
    with Store.open(settings.url) as store, AnalystStore(Warehouse.open(settings.url)) as analysts:
        table = load_table(store, Pictures(settings.pictures), visual, {})
        users = analysts.frame("dim_user", ["user_id", *TRAITS])
        asked = ask(store, table, users, extent.ranked, seed)
        foreseen = foresee(taste, table, asked) if len(asked) else None
        shown = places(analysts)
        report: Report = {
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": seed,
            "smallest_group": SMALLEST,
            "extent": asdict(extent),
            "models": {"taste": taste.version, "generator": generator.version},
            "users_seen": _counted(len(users)),
            "users_asked": _counted(len(asked)),
            "items": len(table),
            "ranking": ranking_quality(asked, foreseen, seed) if foreseen else None,
            "making": making_quality(taste, generator, table, asked, extent.drawn, seed),
            "online": online_rates(analysts, seed),
            "exposure": {
                "source": "answers" if shown else "rankings",
                **exposure(table.items, shown or _would_be_shown(table.ids, asked, foreseen)),
            },
            "rights": rights(store.rights_counts()),
            "copying": copying(settings.models),
            "consents": {
                purpose: {answer: _counted(count) for answer, count in counts.items()}
                for purpose, counts in store.consent_counts().items()
            },
            "accounted": [
                {"month": month, "action": action, "count": count} for month, action, count in store.accounted_months()
            ],
            "cards": model_cards(settings.models, store.versions_in_use()),
        }
    return report | {"limits": list(limits(report))}


def _counted(count: int) -> int | str:
    """A number of users, unless so few that it would tell of somebody."""
    return count if count == 0 or count >= SMALLEST else f"fewer than {SMALLEST}"


def _would_be_shown(ids: Sequence[str], asked: Asked, foreseen: Foreseen | None) -> dict[str, int]:
    """How often each item stands in the first ten of the rankings; nothing where too few were asked."""
    if foreseen is None or len(asked) < SMALLEST:
        return {}
    rows, counts = np.unique(foreseen.lists, return_counts=True)
    return {ids[row]: int(count) for row, count in zip(rows, counts, strict=True)}


def rights(counts: Sequence[RightsCount]) -> Report:
    """Whether every picture's rights are told: licence, where that is said, and consent where a person is shown.

    A garment shows nobody, so consent is `not needed`; looks and styles come from people and need it. `open`: pictures
    with something missing. A photographed garment that is active is a training picture, less those of held-out owners.
    """
    rows = [{**asdict(count), "missing": missing(count)} for count in counts]
    pictures = sum(count.pictured for count in counts)
    unclear = sum(row["pictured"] for row in rows if row["missing"])
    trained = [row for row in rows if row["domain"] == "garment" and not row["generated"]]
    return {
        "pictures": pictures,
        "open": unclear,
        "coverage": round(1 - unclear / pictures, 5) if pictures else None,
        "training_pictures": sum(row["pictured"] for row in trained),
        "training_open": sum(row["pictured"] for row in trained if row["missing"]),
        "rows": rows,
    }


def missing(count: RightsCount) -> list[Literal["licence", "source", "consent"]]:
    """What is not told of pictures with these rights."""
    found: list[Literal["licence", "source", "consent"]] = []
    if count.licence.strip().lower() in UNCLEAR:
        found.append("licence")
    if count.source.strip().lower() in UNCLEAR:
        found.append("source")
    if count.domain == "style" and not count.generated and not count.consent:
        found.append("consent")
    return found


def limits(report: Mapping[str, Any]) -> Iterator[str]:
    """What the report cannot tell, in words."""
    yield (
        f"Only users who allow analytics are in it, and no children; groups of fewer than {SMALLEST} users are left "
        "out. Who refuses is not seen, and may fare otherwise."
    )
    yield (
        "Rankings are judged by what users did after seeing something: what they were never shown they could not "
        "like, so a group that was served badly before can look as if it wanted little."
    )
    yield (
        "Skin tone, body shape and age band are the users' own words, and are not read by the model; differences come "
        "from tastes, from how long histories are, and from what the catalogue has."
    )
    yield (
        "With several traits and groups compared, one in twenty differences has a p value under .05 by chance alone."
    )
    yield (
        "Generated garments are judged by measured colour and pattern and by the category asked for: fit, cut and "
        "whether anybody would wear them are not. The models' cards have figures of an independent judge."
    )
    yield "Rights are as whoever imported the items told them; nobody here has looked at the licences themselves."
    if any(card.get("facts", {}).get("trained_on_stored") for card in report["cards"]):
        yield (
            "A model in this folder was trained on stored users: rankings of those same users look better than those "
            "of new ones."
        )
    if not report["online"]["retrieved"]["all"]:
        yield "Too few answers are recorded for rates of what was shown."
    if report["exposure"]["source"] == "rankings":
        yield "No answer is recorded: exposure is of the first ten of the rankings made for this report."
    if not report["ranking"] or not report["ranking"]["ndcg10"]["all"]:
        yield "Too few users with events for figures by group."
