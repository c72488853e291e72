"""Who is like a user: nearest neighbours by taste among everybody whom analysts see, looked through exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.tastes import VALUES, Floats, features, mean_shares, read_tastes, shares, taste_rows
from persona.errors import BadInput, NotFound

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

MOST = 1000  # users that are found at once
_SPARE = 32  # found besides, for those who are not seen any more: the next look takes all that are wanted again
_WIDTH = -(-len(VALUES) // 8) * 8  # FAISS reads eight numbers at a time, so a row has three zeros more


class Alike:
    """Everybody's taste in memory, 160 MB a million users, as it was when this was made.

    Users are compared by the cosine of how their tastes (`persona.analyze.tastes.features`) differ from everybody's.
    Safe to share between threads.
    """

    def __init__(self, store: AnalystStore) -> None:
        import faiss

        self._store = store
        tastes = read_tastes(store)
        decided = tastes.decided
        self._ids: NDArray[Any] = tastes.users["user_id"][decided].to_numpy(object)
        weights = tastes.weights[decided]
        self._everybody = mean_shares(shares(weights))
        points = features(weights, self._everybody)
        self._centre = points.mean(0, dtype=np.float64).astype(np.float32)
        self._index = faiss.IndexFlatIP(_WIDTH)
        for at in range(0, len(points), 100_000):  # the padded copy of a part, not of all
            self._index.add(self._directions(points[at : at + 100_000]))

    def __len__(self) -> int:
        return len(self._ids)

    def search(self, user_id: str, count: int) -> pd.DataFrame:
        """The users most like one, nearest first: rank, user_id, similarity (-1 to 1).

        The user's own taste, and whether the others may still be seen, are looked up now. Raises NotFound for a user
        whom analysts do not see, BadInput for one who has liked nothing yet.
        """
        if not 1 <= count <= MOST:
            raise BadInput("count", f"{count}: choose from 1 to {MOST}")
        direction = self._direction(user_id)
        wanted = count + 1  # the user too
        while True:
            wanted = min(wanted + _SPARE, len(self))
            near, rows = (found[0] for found in self._index.search(direction, wanted)) if wanted else ([], [])
            ids = [str(self._ids[row]) for row in rows]
            seen = self._seen(ids) - {user_id}
            if len(seen) >= count or wanted == len(self):
                break
            wanted *= 2
        found = [(name, float(value)) for name, value in zip(ids, near, strict=True) if name in seen]
        ordered = sorted(found, key=lambda one: (-one[1], one[0]))[:count]
        names = pd.Series([name for name, _ in ordered], dtype="str")
        nearness = np.clip([value for _, value in ordered], -1, 1)
        return pd.DataFrame({"rank": range(1, len(ordered) + 1), "user_id": names, "similarity": nearness})

    def _direction(self, user_id: str) -> Floats:
        sql = "SELECT taste FROM dim_user WHERE user_id = :user_id"
        with self._store.warehouse.query(sql, {"user_id": user_id}) as result:
            found = [row[0] for page in result.pages for row in page]
        if not found:
            raise NotFound(f"analysts see no user {user_id!r}: not stored, or without the consent `analytics`")
        weights = taste_rows(found)
        if not (weights > 0).any():
            raise BadInput("user_id", f"{user_id!r} has liked nothing yet, as of the last `persona analyze refresh`")
        return self._directions(features(weights, self._everybody))

    def _directions(self, points: Floats) -> Floats:
        """Unit vectors (n, _WIDTH) from everybody to each of the points (n, 37)."""
        padded = np.zeros((len(points), _WIDTH), np.float32)
        padded[:, : len(VALUES)] = points - self._centre
        padded /= np.maximum(np.linalg.norm(padded, axis=1, keepdims=True), 1e-12)
        return padded

    def _seen(self, ids: list[str]) -> set[str]:
        parameters = {f"u{number}": name for number, name in enumerate(ids)}
        if not parameters:
            return set()
        sql = f"SELECT user_id FROM dim_user WHERE user_id IN ({', '.join(f':{name}' for name in parameters)})"
        with self._store.warehouse.query(sql, parameters) as result:
            return {row[0] for page in result.pages for row in page}
