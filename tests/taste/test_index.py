"""One contract, kept by both indexes: the answers of sorting all scores, and never fewer than there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.errors import BadInput, NotFound, OutOfDate
from persona.taste.index import ExactIndex, ItemIndex, IVFIndex, index_of, recall

WIDTH = 3
Numbers = np.ndarray


def whole(rng: np.random.Generator, *shape: int) -> Numbers:
    """Whole numbers, whose products are exact in any order, with many ties."""
    return rng.integers(-3, 4, shape).astype(np.float32)


def clustered(count: int, seed: int = 0) -> tuple[Numbers, Numbers]:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, 16), np.float32)
    vectors = centres[rng.integers(0, 40, count)] + 0.3 * rng.standard_normal((count, 16), np.float32)
    return vectors, rng.normal(0, 0.5, count).astype(np.float32)


class Contract:
    """make: an index of vectors and prior. approximate: it may miss some of the best. breaks_ties: by the row, at the
    k-th place too."""

    approximate, breaks_ties = False, False

    def make(self, vectors: Numbers, prior: Numbers | None) -> ItemIndex:
        raise NotImplementedError

    def test_many_users_are_answered_as_one_by_one(self) -> None:
        vectors, prior = clustered(500)
        index, users = self.make(vectors, prior), clustered(30, 1)[0]
        users[::7] = 0
        rows, _ = index.search(users, 10)
        assert all(np.array_equal(index.search(users[u : u + 1], 10)[0][0], rows[u]) for u in range(len(users)))

    def test_nobody_gets_what_is_popular(self) -> None:
        vectors, prior = clustered(500)
        nobody, mask = np.zeros((1, 16), np.float32), np.arange(500) % 3 == 0
        assert self.make(vectors, prior).search(nobody, 20)[0][0].tolist() == np.argsort(-prior)[:20].tolist()
        some = self.make(vectors, prior).search(nobody, 20, mask=mask)[0][0]
        assert some.tolist() == [row for row in np.argsort(-prior) if mask[row]][:20]

    def test_a_bonus_lifts_what_nothing_else_would_find(self) -> None:
        vectors, prior = clustered(500)
        users = clustered(2, 1)[0]
        index = self.make(vectors, prior)
        last = index.search(users, 500)[0][:, -1]
        gift = np.array([100.0], np.float32)
        rows, scores = index.search(users, 3, bonus=[(last[:1], gift), (last[:0], gift[:0])])
        assert rows[0, 0] == last[0]
        assert scores[0, 0] == pytest.approx(float(vectors[last[0]] @ users[0] + prior[last[0]] + 100), rel=1e-5)
        assert np.array_equal(rows[1], index.search(users, 3)[0][1])

    def test_nothing_asked_and_nobody_asking(self) -> None:
        index = self.make(*clustered(50))
        assert index.search(clustered(2)[0], 0)[0].shape == (2, 0)
        assert index.search(np.zeros((0, 16), np.float32), 5)[0].shape == (0, 5)

    def test_an_old_index_is_refused(self) -> None:
        index = self.make(*clustered(50))
        index.check("", 50)
        with pytest.raises(OutOfDate, match=r"'' over 50 items.*'taste@2', the catalogue 50: make the index again"):
            index.check("taste@2", 50)
        with pytest.raises(OutOfDate, match="the catalogue 51"):
            index.check("", 51)

    def test_bad_input_is_named(self) -> None:
        index, users = self.make(*clustered(50)), clustered(2)[0]
        with pytest.raises(BadInput, match="count: -1 is negative"):
            index.search(users, -1)
        with pytest.raises(BadInput, match="users: shape"):
            index.search(users[:, 1:], 1)
        with pytest.raises(BadInput, match="mask: shape"):
            index.search(users, 1, mask=np.ones((3, 50), bool))
        with pytest.raises(BadInput, match="exclude: 1 for 2 users"):
            index.search(users, 1, exclude=[[1]])
        with pytest.raises(BadInput, match="exclude: rows -1 to 2"):
            index.search(users, 1, exclude=[[2, -1], []])
        one = np.ones(1, np.float32)
        with pytest.raises(BadInput, match="bonus: rows 50 to 50"):
            index.search(users, 1, bonus=[(np.array([50]), one), (np.array([1]), one)])
        with pytest.raises(BadInput, match="bonus: rows and values"):
            index.search(users, 1, bonus=[(np.array([5, 6]), one), (np.array([1]), one)])
        with pytest.raises(BadInput, match="prior: shape"):
            self.make(clustered(50)[0], np.zeros(49, np.float32))


class TestExact(Contract):
    breaks_ties = True

    def make(self, vectors: Numbers, prior: Numbers | None) -> ItemIndex:
        return ExactIndex(vectors, prior)

    def test_no_items(self) -> None:
        rows, scores = ExactIndex(np.zeros((0, 2), np.float32)).search(np.ones((1, 2), np.float32), 2)
        assert rows.tolist() == [[-1, -1]]
        assert np.isneginf(scores).all()

    def test_users_in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        vectors, prior = clustered(300)
        users, index = clustered(20, 1)[0], ExactIndex(vectors, prior)
        wanted = index.search(users, 7, exclude=[[u] for u in range(20)])[0]
        monkeypatch.setattr("persona.taste.index._CELLS_AT_ONCE", 1000)
        assert np.array_equal(index.search(users, 7, exclude=[[u] for u in range(20)])[0], wanted)


class TestEveryCell(Contract):
    """An inverted file of which every cell is read, a filter's few or not, is exact."""

    def make(self, vectors: Numbers, prior: Numbers | None) -> ItemIndex:
        return IVFIndex(vectors, prior, cells=min(7, len(vectors)), probes=7, few=0)


class TestOneCell(Contract):
    """The hardest case for the promise: one cell of many read to begin with."""

    approximate = True

    def make(self, vectors: Numbers, prior: Numbers | None) -> ItemIndex:
        return IVFIndex(vectors, prior, cells=min(7, len(vectors)), probes=1, few=0)


class TestFewAreScoredAll(Contract):
    """With the default of `few`, whatever a filter leaves of so small a catalogue is scored exactly."""

    approximate = True  # without a filter

    def make(self, vectors: Numbers, prior: Numbers | None) -> ItemIndex:
        return IVFIndex(vectors, prior, probes=1)


@pytest.mark.parametrize("kind", [TestExact, TestEveryCell, TestOneCell, TestFewAreScoredAll])
@given(st.data())
def test_a_filter_never_costs_an_item(kind: type[Contract], data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    n, b, k = (data.draw(st.integers(1, most), label=name) for name, most in (("n", 60), ("b", 3), ("k", 70)))
    vectors, users = whole(rng, n, WIDTH), whole(rng, b, WIDTH)
    prior = whole(rng, n) if data.draw(st.booleans(), label="prior") else np.zeros(n, np.float32)
    prior[rng.random(n) < data.draw(st.sampled_from([0, 0.3]), label="never")] = -np.inf
    kept = data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]), label="share kept")
    mask = rng.random((b, n)) < kept
    mask = mask if data.draw(st.booleans(), label="a mask each") else mask[:1].repeat(b, 0)
    exclude = [rng.integers(0, n, rng.integers(0, 9)) for _ in users]
    bonus = [(rng.integers(0, n, m), whole(rng, m)) for m in rng.integers(0, 9, b)]
    asked = mask[0] if (mask == mask[0]).all() else mask
    rows, scores = kind().make(vectors, prior).search(users, k, mask=asked, exclude=exclude, bonus=bonus)
    assert rows.shape == scores.shape == (b, k)
    for user in range(b):
        wanted = vectors @ users[user] + prior
        np.add.at(wanted, bonus[user][0], bonus[user][1])
        allowed = [i for i in np.flatnonzero(mask[user]) if i not in exclude[user] and np.isfinite(prior[i])]
        by_hand = sorted(allowed, key=lambda row: (-wanted[row], row))[:k]
        found = rows[user][rows[user] >= 0]
        assert len(found) == min(k, len(allowed)) == len(set(found.tolist()))
        assert set(found.tolist()) <= set(allowed)
        assert found.tolist() == sorted(found, key=lambda row: (-wanted[row], row))
        assert np.array_equal(scores[user][: len(found)], wanted[found])
        assert np.isneginf(scores[user][len(found) :]).all()
        if not kind.approximate:
            assert np.array_equal(wanted[found], wanted[by_hand])
        if kind.breaks_ties:
            assert found.tolist() == by_hand


def test_size_decides() -> None:
    vectors, prior = clustered(300)
    assert isinstance(index_of(vectors, prior), ExactIndex)
    assert isinstance(index_of(vectors, prior, exact_up_to=299), IVFIndex)
    assert index_of(vectors, prior, version="taste@1").version == "taste@1"


def test_recall_grows_with_the_cells_read() -> None:
    vectors, prior = clustered(5000)
    users, exact = clustered(100, 1)[0], ExactIndex(vectors, prior)
    found = [recall(IVFIndex(vectors, prior, cells=64, probes=p), exact, users, 10) for p in (1, 8, 64)]
    assert found[0] < found[1] < found[2] == 1
    assert found[1] > 0.9
    rare = np.arange(5000) % 10 == 0  # every cell holds fewer, so more are read
    assert recall(IVFIndex(vectors, prior, cells=64, probes=8, few=0), exact, users, 10, mask=rare) > found[1]
    assert recall(exact, exact, users, 10, mask=np.zeros(5000, bool)) == 1


def test_the_same_index_twice() -> None:
    vectors, prior = clustered(2000)
    users = clustered(50, 1)[0]
    one, other = (IVFIndex(vectors, prior, cells=32, probes=2).search(users, 10) for _ in range(2))
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])


def test_saved_and_loaded(tmp_path: Path) -> None:
    vectors, prior = clustered(2000)
    users, file = clustered(50, 1)[0], tmp_path / "items.index"
    made = IVFIndex(vectors, prior, version="taste@1", cells=32, probes=2)
    made.save(file)
    loaded = IVFIndex.load(file, vectors, prior, version="taste@1", probes=2)
    assert np.array_equal(loaded.search(users, 10)[0], made.search(users, 10)[0])
    with pytest.raises(OutOfDate, match=r"'taste@1' over 2,000 items.*'taste@2'"):
        IVFIndex.load(file, vectors, prior, version="taste@2")
    with pytest.raises(OutOfDate, match="the catalogue 1,999"):
        IVFIndex.load(file, vectors[1:], prior[1:], version="taste@1")
    with pytest.raises(NotFound, match="make one"):
        IVFIndex.load(tmp_path / "none", vectors, prior, version="taste@1")
    content = bytearray(file.read_bytes())
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match="damaged"):
        IVFIndex.load(file, vectors, prior, version="taste@1")
    file.write_bytes(b"no index at all")
    with pytest.raises(BadInput, match="damaged"):
        IVFIndex.load(file, vectors, prior, version="taste@1")


@pytest.mark.parametrize("given", [{"cells": 0}, {"cells": 51}, {"probes": 0}])
def test_cells_that_cannot_be(given: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=next(iter(given))):
        IVFIndex(*clustered(50), **given)  # type: ignore[arg-type]


def test_no_items_make_no_cells() -> None:
    with pytest.raises(BadInput, match="vectors: there are none"):
        IVFIndex(np.zeros((0, 3), np.float32))
