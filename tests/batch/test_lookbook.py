"""The lookbook of a user and the contact sheet: whole in themselves, labelled, and safe whatever stands in a title."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persona.batch.lookbook import lookbook
from persona.batch.reading import Catalogues
from persona.batch.sheet import sheet, some_users
from persona.catalog.pictures import Pictures
from persona.errors import NotFound
from persona.recommend.provenance import read_label
from tests.batch.made_up import USERS, catalogue, made_up


class Seen(HTMLParser):
    """What is on a page: elements with their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Remember it."""
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of the elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def made(tmp_path: Path) -> Catalogues:
    """A finished directory."""
    return Catalogues(catalogue(tmp_path / "out"))


def test_a_page_of_its_own(made: Catalogues, tmp_path: Path) -> None:
    """Every picture is inside, labelled and described; reasons and licences stand beside it; nothing is fetched."""
    page = lookbook(made, "u1", Pictures(tmp_path / "service"))
    seen = Seen(page)
    shown = [base64.b64decode((image["src"] or "").partition(",")[2]) for image in seen.all("img")]
    wanted = made_up("u1")
    assert shown == [wanted.pictures[entry.picture or ""] for entry in wanted.entries[1:]]  # the item's is nowhere
    assert all("generated picture" in (image["alt"] or "") for image in seen.all("img"))
    assert page.count('<span class="tag">generated</span>') == 4
    for words in ("you liked “Bluse”", "CC0-1.0", "Bluse, weiß", "Night", "Lookbook of u1", "garment-64@ba9876543210"):
        assert words in seen.text
    assert not {"script", "link", "iframe", "form"} & {tag for tag, _ in seen.elements}
    assert not re.search(r"https?://|url\(|@import|\bon\w+=", page)
    assert [tag for tag, _ in seen.elements if tag in ("h1", "main", "header", "footer")] == [
        "header", "h1", "main", "footer",
    ]  # fmt: skip
    assert seen.all("html")[0]["lang"] == "en"


def test_what_others_wrote_stays_text(tmp_path: Path) -> None:
    """A title with markup in it."""
    out = catalogue(tmp_path / "out", title='<img src=x onerror=alert(1)>"&')
    seen = Seen(lookbook(Catalogues(out), "u1", Pictures(tmp_path / "service")))
    assert all((image["src"] or "").startswith("data:image/webp;base64,") for image in seen.all("img"))
    assert '<img src=x onerror=alert(1)>"&' in seen.text


def test_nobody_has_none(made: Catalogues, tmp_path: Path) -> None:
    """Of a user who is not in it."""
    with pytest.raises(NotFound, match="nobody"):
        lookbook(made, "nobody", Pictures(tmp_path))


def test_a_sheet_of_some_users(made: Catalogues, tmp_path: Path) -> None:
    """A row each, and the file says that models made what is on it."""
    users = some_users(made, 3)
    assert len(users) == 3
    assert set(users) < set(USERS)
    assert len(some_users(made, 99)) == len(USERS)
    content = sheet(made, users, Pictures(tmp_path / "service"))
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "WEBP"
        assert image.height > 3 * 112
        pixels = np.asarray(image.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50  # of the pictures
    label = read_label(content)
    assert label is not None
    assert label.source == "compositeWithTrainedAlgorithmicMedia"
    assert sheet(made, users, Pictures(tmp_path / "service"), across=2) != content
