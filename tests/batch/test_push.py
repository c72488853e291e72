"""Catalogues in the store: once each, whatever is interrupted, and of nobody who is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona.batch.push import AT_ONCE, Pushed, drawn_of, generation_of, push
from persona.batch.reading import Catalogues
from persona.catalog.pictures import Pictures
from persona.errors import BadInput, NotFound
from persona.store import Item, Profile, Rights, Store
from persona.store.records import EPOCH, Event
from tests.batch.made_up import USERS, catalogue, made_up

ITEM = Item(id="demo-0001", category="blouse", rights=Rights(licence="CC0-1.0", source="a test"))


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """The service's own, empty."""
    return Pictures(tmp_path / "service")


@pytest.fixture
def filled(store: Store) -> Store:
    """A store that knows the users and the item."""
    store.bulk_users(Profile(id=name) for name in USERS)
    store.put_items([ITEM])
    return store


def files(pictures: Pictures) -> set[str]:
    """What lies there."""
    return {path.stem for path in pictures.root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("archive", ["tar", "files"])
def test_what_was_made_is_served(filled: Store, pictures: Pictures, tmp_path: Path, archive: str) -> None:
    """Entries, pictures, and generations that a like counts for; again it changes nothing."""
    out, seen = catalogue(tmp_path / "out", archive), list[int]()
    assert push(out, filled, pictures, seen.append) == Pushed(users=len(USERS))
    assert sum(seen) == len(USERS)
    for name in USERS:
        stored, made = filled.user_catalogue(name), made_up(name)
        assert stored is not None
        wanted = [entry.model_dump(mode="json", exclude_none=True) for entry in Catalogues(out).entries(name)]
        assert stored.entries == wanted
        assert all(pictures.open_bytes(sha) == file for sha, file in made.pictures.items())
        rows = {row.id: row for row in filled.generations(name)}
        assert len(rows) == 4
        for entry in made.entries[1:4]:
            assert rows[entry.generation_id or ""].picture == entry.picture
        known = filled.generation_features(rows)
        assert {key: vector.tolist() for key, vector in known.items()} == {
            key: vector.tolist() for key, vector in made.features.items()
        }
    before = filled.user_catalogue("u1")
    assert push(out, filled, pictures) == Pushed(users=len(USERS))
    assert filled.user_catalogue("u1") == before
    like = Event(key="e", user_id="u1", generation_id="g-u1-0", type="like", at=EPOCH)
    assert filled.add_events([like]).added == 1


def test_the_next_one_takes_its_place(filled: Store, pictures: Pictures, tmp_path: Path) -> None:
    """And who is in it no longer has none."""
    push(catalogue(tmp_path / "a"), filled, pictures)
    filled.put_user(Profile(id="u9"))
    other = catalogue(tmp_path / "b", change=lambda name: "u9" if name == "u2" else name, salt="later")
    done = push(other, filled, pictures)
    assert done == Pushed(users=len(USERS), dropped=1)
    assert filled.user_catalogue("u2") is None
    assert filled.user_catalogue("u1") is not None
    assert {one["picture"] for one in filled.user_catalogue("u1").entries} >= set(made_up("u1", salt="later").pictures)


def test_who_is_gone_is_not_pushed(filled: Store, pictures: Pictures, tmp_path: Path) -> None:
    """Nor their pictures; what they share with others stays."""
    filled.delete_user("u0")
    filled.put_user(Profile(id="u1", consents={"personalisation": False}))
    done = push(catalogue(tmp_path / "out"), filled, pictures)
    assert done == Pushed(users=len(USERS) - 2, gone=2)
    assert filled.user_catalogue("u1") is None
    assert files(pictures) == {sha for name in USERS[2:] for sha in made_up(name).pictures}


def test_erased_later_their_pictures_go(filled: Store, pictures: Pictures, tmp_path: Path) -> None:
    """As of anything that was made for them, looks too."""
    push(catalogue(tmp_path / "out"), filled, pictures)
    own = set(made_up("u3").pictures) - {sha for name in USERS if name != "u3" for sha in made_up(name).pictures}
    assert set(filled.delete_user("u3")) == own
    assert filled.user_catalogue("u3") is None


class Meanwhile(Pictures):
    """Erases a user once the first picture is wanted."""

    def __init__(self, root: Path, store: Store, user_id: str) -> None:
        super().__init__(root)
        self.store, self.user_id = store, user_id

    def touch(self, sha256: str) -> bool:
        """As ever, and somebody is gone."""
        if self.user_id:
            for own in self.store.delete_user(self.user_id):
                self.remove(own)
            self.user_id = ""
        return super().touch(sha256)


def test_who_is_erased_while_it_is_pushed_leaves_nothing(filled: Store, tmp_path: Path) -> None:
    """The others get theirs."""
    pictures = Meanwhile(tmp_path / "service", filled, "u4")
    done = push(catalogue(tmp_path / "out"), filled, pictures)
    assert done == Pushed(users=len(USERS) - 1, gone=1)
    assert files(pictures) == {sha for name in USERS if name != "u4" for sha in made_up(name).pictures}


def test_it_is_gone_on_with(filled: Store, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was stopped: who is pushed already is not pushed again."""
    monkeypatch.setattr("persona.batch.push.AT_ONCE", 2)
    out = catalogue(tmp_path / "out")

    def stop(users: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(out, filled, pictures, stop)
    first = [name for name in USERS if filled.user_catalogue(name)]
    times = [filled.user_catalogue(name) for name in first]
    assert len(first) == 2 < AT_ONCE
    assert push(out, filled, pictures) == Pushed(users=len(USERS))
    assert [filled.user_catalogue(name) for name in first] == times


def test_damaged_files_are_told(filled: Store, pictures: Pictures, tmp_path: Path) -> None:
    """By name."""
    out = catalogue(tmp_path / "out")
    index = min((out / "index").iterdir())
    whole = index.read_bytes()
    index.write_bytes(whole[:-5])
    with pytest.raises(BadInput, match=r"parquet: is damaged"):
        push(out, filled, pictures)
    index.write_bytes(whole)
    archive = min((out / "pictures").iterdir())
    whole = archive.read_bytes()
    for cut in (100, 512, 700, len(whole) // 2):
        archive.write_bytes(whole[:cut])
        with pytest.raises((BadInput, NotFound), match=archive.name):
            push(out, filled, pictures)
    archive.write_bytes(whole)
    assert push(out, filled, pictures).users == len(USERS)


def test_what_was_made_for_an_outfit_is_kept_too() -> None:
    """Pieces that the catalogue lacked, as the outfit's detail tells of them."""
    made = made_up("u1")
    garment = generation_of("u1", made.entries[1], EPOCH)
    assert garment is not None
    drawn = garment.model_dump(mode="json", exclude={"user_id", "reasons", "created_at"})
    outfit = made.entries[3].model_copy(update={"detail": {"drawn": [drawn]}})
    assert drawn_of("u1", outfit, EPOCH) == [(garment, None)]
    outfit = made.entries[3].model_copy(update={"detail": {"drawn": [{**drawn, "feature": [0.5]}]}})
    assert drawn_of("u1", outfit, EPOCH) == [(garment, [0.5])]
    assert drawn_of("u1", made.entries[3], EPOCH) == []
    assert generation_of("u1", made.entries[0], EPOCH) is None
