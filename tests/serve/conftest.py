"""A small shop, real in every part: a database, drawn pictures, small untrained models in folders, three profiles."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from apiflask import APIFlask
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image

from persona.catalog.pictures import Pictures, premultiply
from persona.catalog.visual import VisualNetwork
from persona.gan import GarmentModel, Prior
from persona.gan.directions import Directions
from persona.gan.invert import Encoder, Inverter
from persona.gan.networks import Generator
from persona.makeup.analysis import Shape
from persona.makeup.chart import draw_chart
from persona.makeup.description import VERSION as DESCRIPTION
from persona.makeup.lookgan import LookGenerator, LookNetwork
from persona.makeup.read import LookReader
from persona.makeup.reader_network import ReaderNetwork
from persona.recommend import Recommender
from persona.serve.app import create_app
from persona.settings import Settings
from persona.store import Store, upgrade
from persona.store.keys import SCOPES
from persona.store.records import COLOURS, PATTERNS, Event, Item, Preference, Profile, Rights
from persona.style.features import open_features
from persona.style.model import StyleModel
from persona.style.networks import Decoder
from persona.taste.model import TasteConfig, TasteModel

CHECKOUT = Path(__file__).resolve().parents[2]
SERVE = "from persona.serve.run import serve; from persona.settings import load_settings; serve(load_settings())"
SIDE = 128
SHAPES = {  # outlines on a square of 100
    "t-shirt": [(30, 15), (70, 15), (95, 35), (82, 48), (72, 40), (72, 88), (28, 88), (28, 40), (18, 48), (5, 35)],
    "pants": [(30, 8), (70, 8), (76, 94), (57, 94), (50, 34), (43, 94), (24, 94)],
    "dress": [(38, 8), (62, 8), (66, 40), (84, 92), (16, 92), (34, 40)],
    "skirt": [(35, 20), (65, 20), (85, 80), (15, 80)],
    "shoes": [(10, 45), (40, 42), (88, 66), (92, 78), (10, 78)],
    "outwear": [(30, 6), (70, 6), (96, 40), (84, 90), (74, 94), (26, 94), (16, 90), (4, 40)],
}
PAINTS = {
    "black": (28, 28, 30),
    "white": (238, 238, 236),
    "green": (60, 140, 80),
    "navy": (30, 42, 84),
    "red": (190, 40, 44),
}


def draw(category: str, paint: tuple[int, int, int], shade: float) -> NDArray[np.uint8]:
    """A garment as a premultiplied picture: its outline, filled, lighter toward the top."""
    outline = (np.array(SHAPES[category]) * SIDE / 100).astype(np.int32)
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(alpha, [outline], 255, lineType=cv2.LINE_AA)
    light = np.linspace(1.08, 0.92, SIDE)[:, None, None] * shade
    rgb = np.clip(np.full((SIDE, SIDE, 3), paint) * light, 0, 255).astype(np.uint8)
    return premultiply(np.dstack([rgb, alpha]))


def make_models(folder: Path) -> None:
    """The model folders, small and untrained, but the same every time."""
    torch.manual_seed(1)
    categories = tuple(SHAPES)
    visual = VisualNetwork(categories, width=4)
    visual.save(folder / "visual-64", card="A small untrained network for tests.", metrics={})
    rng = np.random.default_rng(1)
    conditions = rng.standard_normal((60, 64)).astype(np.float32)
    prior = Prior.fit(conditions, np.arange(60) % len(categories), len(categories))
    labs = [(50 + 20 * x, 40 * y, 40 * z) for x, y, z in conditions[:, :3].tolist()]
    named = [tuple(PATTERNS[i % 4] for i in range(60)), tuple(COLOURS[i % len(COLOURS)] for i in range(60))]
    directions = Directions.fit(conditions, np.arange(60) % len(categories), labs, named[1], named[0])
    directions.colours[:] = [labs[i] for i in range(len(COLOURS))]
    generator = GarmentModel(
        Generator(64, len(categories), 0.06), prior, categories, visual.version, directions=directions
    )
    generator.save(folder / "garment-64", width=0.06, card="A small untrained generator for tests.", metrics={})
    inverter = Inverter(Encoder(4), generator.version)
    inverter.save(folder / "inverter-64", width=4, card="A small untrained inverter for tests.", metrics={})
    taste = TasteModel(TasteConfig(width=16, heads=2, feature_version=visual.version))
    torch.nn.init.normal_(taste.out.weight, std=0.2)  # as initialised it does not tell items apart
    taste.save(folder / "taste-garment", card="A small untrained model for tests.", metrics={})
    make_look_models(folder)
    make_style_model(folder)


def make_style_model(folder: Path) -> None:
    """The model folder of styles, untrained, on the garment network that lies beside it."""
    torch.manual_seed(3)
    net = open_features("visual-64", folder)
    model = StyleModel(net, Decoder(net.channels, net.strides))
    model.save(folder / "style", card="A small untrained network for tests.", metrics={})


def make_look_models(folder: Path) -> None:
    """The three model folders of makeup, small and untrained, but the same every time."""
    torch.manual_seed(2)
    LookReader(ReaderNetwork(16)).save(folder / "look-reader", card="A small untrained reader for tests.", metrics={})
    LookGenerator(LookNetwork(16, 1)).save(folder / "look-gan", card="A small untrained generator.", metrics={})
    taste = TasteModel(TasteConfig(width=16, heads=2, feature_version=DESCRIPTION))
    torch.nn.init.normal_(taste.out.weight, std=0.2)
    taste.save(folder / "taste-look", card="A small untrained model for tests.", metrics={})


def portrait(shape: Shape = "oval", monk: int = 4, side: int = 320) -> NDArray[np.uint8]:
    """A drawn face with the grain of a photo, uint8 (side, side, 3): found like one, and nobody's."""
    picture = draw_chart(shape, monk, side).picture
    grain = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def file_of(picture: NDArray[np.uint8], kind: str = "PNG", **more: Any) -> bytes:
    """A picture's file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **more)
    return file.getvalue()


needs_faces = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None, reason="no faces are read: mediapipe is not installed"
)


def make_catalogue(store: Store, pictures: Pictures) -> list[Item]:
    """Sixty garments: every shape in every colour, light and dark."""
    items = []
    for category in SHAPES:
        for colour, paint in PAINTS.items():
            for shade in (0.85, 1.0):
                items.append(
                    Item.model_validate(
                        {
                            "id": f"{category}-{colour}-{'dark' if shade < 1 else 'light'}",
                            "category": category,
                            "colour": colour,
                            "pattern": "plain",
                            "style": "casual",
                            "picture": pictures.put(draw(category, paint, shade)),
                            "rights": Rights(licence="CC0-1.0", source="drawn by a test", generated=shade < 1),
                        }
                    )
                )
    store.put_items(items)
    return items


def make_users(store: Store, items: list[Item]) -> None:
    """Ana has preferences and a history, Ben preferences only, Newcomer nothing."""
    green = Preference(facet="colour", value="green", weight=0.8)
    store.put_user(Profile(id="demo-ana", source="demo", preferences=(green,)))
    store.put_user(Profile(id="demo-ben", source="demo", preferences=(green.model_copy(update={"weight": -1.0}),)))
    store.put_user(Profile(id="demo-newcomer", source="demo"))
    began = datetime(2025, 5, 1, tzinfo=UTC)
    liked = [item for item in items if item.colour == "green"][:5]
    store.add_events(
        [
            Event(key=f"ana-{n}", user_id="demo-ana", item_id=item.id, type="like", at=began + timedelta(days=n))
            for n, item in enumerate(liked)
        ]
    )


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Models and a home folder with database and pictures, to be copied."""
    root = tmp_path_factory.mktemp("shop")
    settings = Settings(home=root / "home", models=root / "models", database_url=None, datasets=None, threads=1)
    settings.home.mkdir()
    upgrade(settings.url)
    make_models(settings.models)
    with Store.open(settings.url) as store:
        make_users(store, make_catalogue(store, Pictures(settings.pictures)))
        Recommender.open(settings).store.close()  # makes the content vectors, so that every copy has them
    return settings


@pytest.fixture
def settings(furnished: Settings, tmp_path: Path) -> Settings:
    """Settings of a test's own home."""
    shutil.copytree(furnished.home, tmp_path / "home")
    return furnished.model_copy(update={"home": tmp_path / "home"})


@pytest.fixture
def recommender(settings: Settings) -> Iterator[Recommender]:
    """The shop, open."""
    opened = Recommender.open(settings)
    yield opened
    opened.store.close()


@pytest.fixture
def app(settings: Settings, recommender: Recommender) -> APIFlask:
    """The shop's application, ready to answer."""
    return create_app(settings, recommender)


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    """A client of the shop's application."""
    return app.test_client()


@dataclass(frozen=True)
class Server:
    """The real server in a process of its own. log: what it prints."""

    process: subprocess.Popen[str]
    address: str
    log: Path

    def ready(self, seconds: float = 90) -> None:
        """Wait until it can answer requests."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"not ready: {self.log.read_text()}")


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    """A server of the test's own, to be stopped by it."""
    with serving(settings) as started:
        yield started


@pytest.fixture(scope="module")
def shared_server(furnished: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ready server for a whole file of tests, since starting one takes seconds."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(furnished.home, home)
    with serving(furnished.model_copy(update={"home": home})) as started:
        started.ready()
        yield started


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    """`serve(settings)` on a free port of loopback, in a process that ends with the block."""
    chosen = {"home": settings.home, "models": settings.models, "threads": 1, "host": "127.0.0.1", "port": 0}
    chosen |= {name: getattr(settings, name) for name in ("workers", "access", "log_format")}
    environment = os.environ | {f"PERSONA_{name.upper()}": str(value) for name, value in chosen.items()}
    environment |= {
        "PERSONA_DATABASE_URL": settings.database_url or "",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    log = settings.home.parent / "server.log"
    with log.open("w") as file:
        command = [sys.executable, "-c", SERVE]
        process = subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdout=file, stderr=file, text=True)
    try:
        yield Server(process, address_in(log, process), log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def address_in(log: Path, process: subprocess.Popen[str], seconds: float = 90) -> str:
    """The address that the server prints."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"http://\S+", log.read_text()):
            return found.group()
        time.sleep(0.1)
    raise AssertionError(f"no address: {log.read_text()}")


class Keyed:
    """The shop as others are served: callers show keys. keys: one for each scope, with its secret."""

    def __init__(self, settings: Settings, recommender: Recommender) -> None:
        self.settings = settings.model_copy(update={"access": "keys"})
        self.recommender, self.store = recommender, recommender.store
        self.app = create_app(self.settings, recommender)
        self.keys = {scope: self.store.create_key(f"for {scope}", [scope]) for scope in SCOPES}

    def client(self, scope: str = "") -> FlaskClient:
        """A client that shows the key with this scope, or none."""
        client = self.app.test_client()
        if scope:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.keys[scope][1]}"
        return client


@pytest.fixture
def keyed(settings: Settings, recommender: Recommender) -> Keyed:
    """The shop in the mode in which callers need a key."""
    return Keyed(settings, recommender)
