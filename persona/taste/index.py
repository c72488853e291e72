"""Retrieval: the best items of a catalogue for many users at once, exactly or through an inverted file (IVF).

The score of item i for user u is u.v_i + prior_i, the inner product of [u, 1] and [v_i, prior_i]. Up to a million
items it is computed for all of them. Beyond, `IVFIndex` sorts the items into cells by k-means and reads the cells whose
centres score highest (Sivic and Zisserman 2003; FAISS, Johnson et al. 2017). A filter is told to the search itself,
which reads on until it has as many as were asked for: filtering afterwards would come back with too few.

    index = index_of(model.item_vectors(table), model.prior(table), version=model.version)
    rows, scores = index.search(model.encode_many(users, table), 12, mask=table.price < 50)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from persona.catalog.pictures import write_whole
from persona.errors import BadInput, NotFound, OutOfDate
from persona.taste.rank import Mask, best
from persona.taste.table import Codes, Floats

EXACT_UP_TO = 1_000_000  # items; beyond, an exact answer takes tens of milliseconds
PROBES = 96  # cells read for a user: of the 1,024 cells of a million items recall@10 is about .99, in a millisecond
FEW = 20_000  # items left by a filter that are scored one and all: as fast as the cells, and exact
NOTHING = -1  # row where fewer than k items are allowed; its score is -inf

Bonus = tuple[Codes, Floats]
"""Rows and what is added to their scores, for one user; a row that stands twice is added twice."""
_TRAINED_ON = 64  # items for each cell: k-means gains nothing from more
_BLOCK = 100_000  # items entered at once
_CELLS_AT_ONCE = 1 << 25  # scores held at once: 128 MiB
_SHOW_PROGRESS_FROM = 500_000


class ItemIndex(ABC):
    """n items that can be searched. vectors (n, d) and prior (n,) are referred to, not copied, and must not change.

    prior: `TasteModel.prior`; left out, zeros; -inf for an item never to be found. version: of the taste model that
    made the vectors.
    """

    def __init__(self, vectors: Floats, prior: Floats | None = None, *, version: str = "") -> None:
        if vectors.ndim != 2:
            raise BadInput("vectors", f"shape {vectors.shape}, wanted (items, width)")
        prior = np.zeros(len(vectors), np.float32) if prior is None else prior
        if prior.shape != (len(vectors),):
            raise BadInput("prior", f"shape {prior.shape}, wanted ({len(vectors)},)")
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.prior = np.ascontiguousarray(prior, np.float32)
        self.version = version
        finite = np.isfinite(self.prior)
        self._ever = None if finite.all() else finite

    def __len__(self) -> int:
        return len(self.vectors)

    def check(self, version: str, count: int) -> None:
        """Raise OutOfDate unless this is the index of that taste model over so many items."""
        if (self.version, len(self)) != (version, count):
            raise OutOfDate(_OLD.format(self.version, len(self), version, count))

    def search(
        self,
        users: Floats,
        k: int,
        *,
        mask: Mask | None = None,
        exclude: Sequence[NDArray[Any] | Sequence[int]] | None = None,
        bonus: Sequence[Bonus] | None = None,
    ) -> tuple[Codes, Floats]:
        """The k best items of each user, best first, equal scores in order of row: rows and scores, both (b, k).

        users (b, d): vectors, zeros for somebody of whom nothing is known. mask: bool (n,), what may be shown, or
        (b, n), to each user. exclude: for each user, rows that may not be. bonus: for each user, rows and what is added
        to their scores; these are always among the candidates. Where fewer than k items may be shown, and only there,
        the rest is -1, at a score of -inf. Raises BadInput for a negative k, and for shapes and rows that do not fit.
        """
        self._check_shapes(users, k, mask, exclude, bonus)
        found = np.full((len(users), k), NOTHING, np.int64), np.full((len(users), k), -np.inf, np.float32)
        if self._ever is not None:
            mask = self._ever if mask is None else mask & self._ever
        alone = mask is not None and mask.ndim == 2
        parts = [slice(at, at + 1) for at in range(len(users))] if alone else [slice(0, len(users))]
        out = [np.asarray(rows, np.int64) for rows in exclude or [()] * len(users)]
        extra = list(bonus or [_NO_BONUS] * len(users))
        self._check_rows(out, extra)
        for part in parts if k and len(self) and len(users) else ():
            allowed = mask[part.start] if mask is not None and alone else mask
            if allowed is not None and not allowed.any():
                continue
            rows, scores = self._search(np.ascontiguousarray(users[part]), k, allowed, out[part], extra[part])
            found[0][part, : rows.shape[1]], found[1][part, : rows.shape[1]] = rows, scores
        found[0][~np.isfinite(found[1])] = NOTHING
        return found

    @abstractmethod
    def _search(
        self, users: Floats, k: int, mask: Mask | None, exclude: list[Codes], bonus: list[Bonus]
    ) -> tuple[Codes, Floats]:
        """As `search`, for k > 0 and one mask that lets something pass; fewer columns or -inf where there is less."""

    def _check_shapes(
        self, users: Floats, k: int, mask: Mask | None, exclude: Sequence[Any] | None, bonus: Sequence[Bonus] | None
    ) -> None:
        if k < 0:
            raise BadInput("count", f"{k} is negative; ask for 0 items or more")
        if users.ndim != 2 or users.shape[1] != self.vectors.shape[1]:
            raise BadInput("users", f"shape {users.shape}, wanted (users, {self.vectors.shape[1]}); encode them again")
        if mask is not None and mask.shape not in ((len(self),), (len(users), len(self))):
            raise BadInput("mask", f"shape {mask.shape}, wanted ({len(self)},) or ({len(users)}, {len(self)})")
        for name, given in (("exclude", exclude), ("bonus", bonus)):
            if given is not None and len(given) != len(users):
                raise BadInput(name, f"{len(given)} for {len(users)} users; give one for each")

    def _check_rows(self, exclude: list[Codes], bonus: list[Bonus]) -> None:
        for name, given in (("exclude", exclude), ("bonus", [rows for rows, _ in bonus])):
            for rows in given:
                if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
                    raise BadInput(name, f"rows {rows.min()} to {rows.max()}; there are 0 to {len(self) - 1}")
        if any(len(rows) != len(values) for rows, values in bonus):
            raise BadInput("bonus", "rows and values differ in number; give a value for each row")


class ExactIndex(ItemIndex):
    """Every item's score, on the processor or a graphics card. Answers are those of sorting all scores."""

    def __init__(
        self, vectors: Floats, prior: Floats | None = None, *, version: str = "", device: str | torch.device = "cpu"
    ) -> None:
        super().__init__(vectors, prior, version=version)
        self._vectors = torch.from_numpy(self.vectors).to(device)
        self._prior = torch.from_numpy(self.prior).to(device)

    def _search(
        self, users: Floats, k: int, mask: Mask | None, exclude: list[Codes], bonus: list[Bonus]
    ) -> tuple[Codes, Floats]:
        rows, vectors, prior = self._pool(mask)
        step, parts = max(1, _CELLS_AT_ONCE // max(1, len(prior))), []
        for at in range(0, len(users), step):
            scores = torch.addmm(prior, torch.from_numpy(users[at : at + step]).to(prior.device), vectors.T)
            for user, (out, (added, values)) in enumerate(zip(exclude[at : at + step], bonus[at : at + step])):
                _add(scores[user], added, values, rows)
                _add(scores[user], out, np.full(len(out), -np.inf, np.float32), rows)
            parts.append([part.cpu().numpy() for part in _top(scores, k)])
        places, best_scores = (np.concatenate(part) for part in zip(*parts))
        return places if rows is None else rows[places], best_scores

    def _pool(self, mask: Mask | None) -> tuple[Codes | None, Tensor, Tensor]:
        """What is to be scored: rows (m,) (None: all), their vectors (m, d) and prior (m,), -inf for what is masked.

        Only where a filter leaves little do fewer scores make up for gathering the vectors.
        """
        if mask is None:
            return None, self._vectors, self._prior
        if np.count_nonzero(mask) > len(self) // 8:
            allowed = torch.from_numpy(mask).to(self._prior.device)
            return None, self._vectors, self._prior.masked_fill(~allowed, -torch.inf)
        rows = np.flatnonzero(mask)
        wanted = torch.from_numpy(rows).to(self._prior.device)
        return rows, self._vectors[wanted], self._prior[wanted]


class IVFIndex(ItemIndex):
    """An inverted file over cells of items, in memory. Takes seconds a million items to make; see `save`.

    cells: how many, default the power of two nearest to the root of n. probes: how many are read for a user, more where
    a filter leaves less in each. few: see FEW. made: FAISS's index of these very items, as `load` reads it. Rows are
    found by approximation, their scores are exact, and so is the whole answer for a user of whom nothing is known. The
    same for the same arguments on the same machine.
    """

    def __init__(
        self,
        vectors: Floats,
        prior: Floats | None = None,
        *,
        version: str = "",
        cells: int | None = None,
        probes: int = PROBES,
        few: int = FEW,
        seed: int = 0,
        made: Any = None,
    ) -> None:
        super().__init__(vectors, prior, version=version)
        if not len(self):
            raise BadInput("vectors", "there are none to sort into cells; use ExactIndex")
        if cells is not None and not 0 < cells <= len(self):
            raise BadInput("cells", f"{cells} for {len(self)} items; choose from 1 to {len(self)}")
        if probes < 1:
            raise BadInput("probes", f"{probes}: at least one cell must be read")
        self.probes, self.few = probes, few
        self._popular = np.argsort(-self.prior, kind="stable")  # the whole answer where nothing is known
        self._ivf = made or self._make(cells or 2 ** round(np.log2(len(self)) / 2), seed)

    def _make(self, cells: int, seed: int) -> Any:
        import faiss  # here: most catalogues never need it

        ivf = faiss.index_factory(self.vectors.shape[1] + 1, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
        ivf.cp.min_points_per_centroid, ivf.cp.seed = 1, 1 + seed
        sample = np.random.default_rng(seed).permutation(len(self))[: _TRAINED_ON * cells]
        with tqdm(total=len(self), desc="index", unit="item", disable=len(self) < _SHOW_PROGRESS_FROM) as progress:
            ivf.train(self._with_prior(sample))
            for at in range(0, len(self), _BLOCK):
                rows = np.arange(at, min(at + _BLOCK, len(self)))
                ivf.add(self._with_prior(rows))
                progress.update(len(rows))
        return ivf

    def _with_prior(self, rows: Codes) -> Floats:
        """Items as FAISS reads them, (m, d + 1)."""
        prior = np.where(np.isfinite(self.prior[rows]), self.prior[rows], 0)
        return np.concatenate([self.vectors[rows], prior[:, None]], 1)

    def _search(
        self, users: Floats, k: int, mask: Mask | None, exclude: list[Codes], bonus: list[Bonus]
    ) -> tuple[Codes, Floats]:
        # whatever is excluded or lowered may be among the first: so many more are needed
        spare = [len(out) + int((values < 0).sum()) for out, (_, values) in zip(exclude, bonus)]
        candidates = self._candidates(users, np.minimum(k + np.array(spare), len(self)), mask)
        rows = np.zeros((len(users), k), np.int64)
        scores = np.full((len(users), k), -np.inf, np.float32)
        for user, (found, out, extra) in enumerate(zip(candidates, exclude, bonus)):
            chosen, values = self._best(users[user], k, found, mask, out, extra)
            rows[user, : len(chosen)], scores[user, : len(chosen)] = chosen, values
        return rows, scores

    def _candidates(self, users: Floats, needed: Codes, mask: Mask | None) -> list[Codes]:
        """At least needed (b,) allowed rows for each user, as long as there are so many; -1 may be among them."""
        left = len(self) if mask is None else int(np.count_nonzero(mask))
        if mask is not None and left <= self.few:
            return [np.flatnonzero(mask)] * len(users)
        found = [self._popular[:0]] * len(users)
        known = np.asarray(users.any(1))
        if not known.all():
            popular = self._first_popular(int(needed.max()), mask)
            found = [found[0] if someone else popular for someone in known]
        wanting, probes = np.flatnonzero(known), min(-(-self.probes * len(self) // left), self._ivf.nlist)
        while len(wanting):
            rows = self._probe(users[wanting], int(needed[wanting].max()), mask, probes)
            for user, these in zip(wanting, rows):
                found[user] = these
            enough = (rows >= 0).sum(1) >= needed[wanting]
            wanting = wanting[~enough] if probes < self._ivf.nlist else wanting[:0]
            probes = min(2 * probes, self._ivf.nlist)
        return found

    def _probe(self, users: Floats, count: int, mask: Mask | None, probes: int) -> Codes:
        """Rows (b, count) from so many cells for each user, -1 where these hold fewer."""
        import faiss

        queries = np.concatenate([users, np.ones((len(users), 1), np.float32)], 1)
        options = {"nprobe": probes}
        if mask is not None:
            options["sel"] = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        rows: Codes = self._ivf.search(queries, count, params=faiss.SearchParametersIVF(**options))[1]
        return rows

    def _first_popular(self, count: int, mask: Mask | None) -> Codes:
        return self._popular[:count] if mask is None else self._popular[mask[self._popular]][:count]

    def _best(
        self, user: Floats, k: int, found: Codes, mask: Mask | None, exclude: Codes, bonus: Bonus
    ) -> tuple[Codes, Floats]:
        """The k best of candidates and rows with a bonus, by their exact scores."""
        added, values = bonus
        rows = np.setdiff1d(np.union1d(found[found >= 0], added), exclude)
        rows = rows if mask is None else rows[mask[rows]]
        scores = self.vectors[rows] @ user + self.prior[rows]
        there = np.isin(added, rows)
        np.add.at(scores, np.searchsorted(rows, added[there]), values[there])
        places, highest = best(scores, k)
        return rows[places], highest

    def save(self, path: Path) -> None:
        """Write the cells to one file, never pickle. The vectors are not in it: `load` is given them again."""
        import faiss

        told = {"version": self.version, "count": str(len(self))}
        write_whole(path, save({"ivf": torch.from_numpy(faiss.serialize_index(self._ivf))}, told))

    @classmethod
    def load(
        cls,
        path: Path,
        vectors: Floats,
        prior: Floats | None = None,
        *,
        version: str,
        probes: int = PROBES,
        few: int = FEW,
    ) -> IVFIndex:
        """Read a saved index of these vectors. prior may have changed since: scores are computed by this one.

        Raises NotFound, BadInput for a damaged file, and OutOfDate if it was made from another model's vectors or
        another number of items.
        """
        import faiss

        if not path.exists():
            raise NotFound(f"{path}: there is no index; make one with index_of and save it")
        try:
            with safe_open(path, "pt") as file:
                told, content = file.metadata(), file.get_tensor("ivf").numpy()
            made_of = told["version"], int(told["count"])
            made = faiss.deserialize_index(content)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise BadInput(str(path), f"is no index, or a damaged one ({error}); make it again") from error
        if made_of != (version, len(vectors)) or (made.ntotal, made.d) != (len(vectors), vectors.shape[1] + 1):
            raise OutOfDate(f"{path}: " + _OLD.format(*made_of, version, len(vectors)))
        return cls(vectors, prior, version=version, probes=probes, few=few, made=made)


def index_of(
    vectors: Floats,
    prior: Floats | None = None,
    *,
    version: str = "",
    exact_up_to: int = EXACT_UP_TO,
    device: str | torch.device = "cpu",
) -> ItemIndex:
    """The index that suits the number of items: exact, or an inverted file beyond `exact_up_to` of them."""
    if len(vectors) <= exact_up_to:
        return ExactIndex(vectors, prior, version=version, device=device)
    return IVFIndex(vectors, prior, version=version)


def recall(index: ItemIndex, exact: ItemIndex, users: Floats, k: int, *, mask: Mask | None = None) -> float:
    """Share of the k best items by `exact` that `index` finds, mean over users (b, d) who have any."""
    found, wanted = index.search(users, k, mask=mask)[0], exact.search(users, k, mask=mask)[0]
    pairs = zip(found, wanted, strict=True)
    shares = [np.isin(right[right >= 0], left).mean() for left, right in pairs if (right >= 0).any()]
    return float(np.mean(shares)) if shares else 1.0


_OLD = (
    "the index is of taste model {!r} over {:,} items, and the model is now {!r}, the catalogue {:,}: make the index "
    "again from the model's vectors of the catalogue (`index_of`)"
)
_NO_BONUS: Bonus = np.zeros(0, np.int64), np.zeros(0, np.float32)


def _add(scores: Tensor, added: Codes, values: Floats, rows: Codes | None) -> None:
    """Add values (m,) at table rows (m,) to scores, which are of all rows or of these, in rising order."""
    if not len(added):
        return
    if rows is not None:
        there = np.isin(added, rows)
        added, values = np.searchsorted(rows, added[there]), values[there]
    places = torch.from_numpy(np.ascontiguousarray(added, np.int64)).to(scores.device)
    scores.index_add_(0, places, torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(scores.device))


def _top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The places of the k highest of scores (b, n), and these; of equal ones the first, which `topk` leaves open."""
    values, places = scores.topk(min(k, scores.shape[1]))
    least = values[:, -1:]
    tied = ((scores >= least).sum(1) > places.shape[1]) & least[:, 0].isfinite()
    for user in tied.nonzero().flatten().tolist():
        above = (scores[user] > least[user]).nonzero().flatten()
        equal = (scores[user] == least[user]).nonzero().flatten()
        places[user] = torch.cat([above, equal])[: places.shape[1]]
    places = places.sort(1).values
    order = scores.gather(1, places).sort(dim=1, descending=True, stable=True)
    return places.gather(1, order.indices), order.values
