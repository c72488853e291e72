"""Who is in which segment, what the segments like, and how that is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.tastes import VALUES
from persona.errors import NotFound, OutOfDate

UNDECIDED, OTHERS = "undecided", "others"
FRAME, TOLD = "users.parquet", "segmentation.json"


@dataclass(frozen=True)
class Segment:
    """Users of one segment. users: their ids; taste: the mean of their shares, float64 (37,) in the order of VALUES."""

    name: str
    users: pd.Series
    taste: pd.Series

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Segmentation:
    """Everybody whom analysts see, each in one segment.

    frame: user_id and segment, in the order of ids; names: the segments, largest first, without "undecided" (users who
    like nothing yet, as far as is known) and "others" (of a rule); centroids: mean share of each value of each facet
    (columns) in each segment (rows); everybody: the same over all who are decided; silhouette: by k, where k was found.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    centroids: pd.DataFrame
    everybody: pd.Series
    silhouette: dict[int, float] = field(default_factory=dict)
    seed: int = 0
    rule: str | None = None

    @property
    def sizes(self) -> pd.Series:
        """Users in each segment, "undecided" and "others" among them."""
        return self.frame["segment"].value_counts(sort=False).rename("users")

    def __getitem__(self, name: str) -> Segment:
        """A segment by its name. Raises NotFound."""
        if name not in self.names:
            raise NotFound(f"there is no segment {name!r}; there are {', '.join(self.names)}")
        users = self.frame["user_id"][self.frame["segment"] == name]
        return Segment(name, users, pd.Series(self.centroids.to_numpy()[self.names.index(name)], VALUES))

    def told(self) -> dict[str, object]:
        """All but the users, as JSON values: what `like` needs to keep names."""
        return {
            "names": list(self.names),
            "centroids": self.centroids.to_numpy().tolist(),
            "everybody": self.everybody.to_numpy().tolist(),
            "silhouette": {str(k): value for k, value in self.silhouette.items()},
            "seed": self.seed,
            "rule": self.rule,
        }

    def save(self, folder: Path) -> None:
        """Keep it as Parquet and JSON. The file holds users' ids: who keeps it has to erase it when they are erased."""
        from persona.catalog.pictures import write_whole

        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / FRAME, self.frame.to_parquet(index=False))
        write_whole(folder / TOLD, json.dumps(self.told()).encode())

    @classmethod
    def load(cls, folder: Path) -> Segmentation:
        """Read what `save` kept. Raises NotFound, and OutOfDate for one of other facets."""
        if not (folder / TOLD).is_file() or not (folder / FRAME).is_file():
            raise NotFound(f"{folder}: holds no segmentation; make one, and save it there")
        return segmentation_of(json.loads((folder / TOLD).read_text()), pd.read_parquet(folder / FRAME))


def segmentation_of(told: dict[str, object], frame: pd.DataFrame | None = None) -> Segmentation:
    """A segmentation of what it told, and its users if they are known. Raises OutOfDate for one of other facets."""
    names, everybody = tuple(map(str, told["names"])), np.asarray(told["everybody"], float)  # type: ignore[call-overload]
    if len(everybody) != len(VALUES):
        raise OutOfDate("the segmentation is of other facets than this version's; make it again")
    users = pd.DataFrame({"user_id": pd.Series(dtype="str"), "segment": pd.Categorical([], [*names])})
    return Segmentation(
        frame=users if frame is None else frame,
        names=names,
        centroids=table_of(names, np.asarray(told["centroids"], float).reshape(-1, len(VALUES))),
        everybody=pd.Series(everybody, VALUES),
        silhouette={int(k): float(value) for k, value in dict(told["silhouette"]).items()},  # type: ignore[call-overload]
        seed=int(str(told["seed"])),
        rule=None if told["rule"] is None else str(told["rule"]),
    )


def table_of(names: tuple[str, ...], centroids: NDArray[np.float64]) -> pd.DataFrame:
    """Centroids (k, 37) with their names."""
    return pd.DataFrame(centroids, index=pd.Index(names, name="segment", dtype="str"), columns=VALUES)
