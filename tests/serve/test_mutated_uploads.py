"""Pictures as an attacker would send them: cut, flipped, spliced, lying about their size. None may do any harm."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from flask.testing import FlaskClient
from PIL import Image

from persona.style.prints import draw_print

from .conftest import file_of

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
FORMS: list[tuple[str, str, dict[str, str]]] = [  # where, the part that is mutated, what else stands in the form
    ("/v1/style/apply", "photo", {"photo_rights": "own", "style": "none-such"}),
    ("/v1/style/apply", "references", {"item_id": "dress-green-light", "reference_rights": "own"}),
    ("/v1/style/restore", "photo", {"photo_rights": "own"}),
    ("/v1/makeup/apply", "photo", {"photo_rights": "own", "look_id": "look-classic-red"}),
    ("/v1/makeup/analyze", "photo", {"photo_rights": "own"}),
    ("/v1/makeup/advise", "photo", {"photo_rights": "own"}),
    ("/v1/styles", "references", {"name": "style-fuzzed", "consent": "true", "source": "a test", "licence": "none"}),
]
ANSWERS = {200, 201, 404, 409, 413, 422, 429, 503}  # 503: what reads faces is not installed
MEMORY_MB = 250  # that a server may grow by: one picture at its largest, worked on


def flip(chance: random.Random, file: bytearray) -> bytes:
    for _ in range(chance.choice((1, 4, 32))):
        file[chance.randrange(len(file))] ^= 1 << chance.randrange(8)
    return bytes(file)


def flip_header(chance: random.Random, file: bytearray) -> bytes:
    """Sizes, counts and offsets stand at the beginning of most files."""
    for _ in range(chance.choice((1, 2, 8))):
        file[chance.randrange(min(len(file), 64))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return bytes(file)


def cut(chance: random.Random, file: bytearray) -> bytes:
    return bytes(file[: chance.randrange(1, len(file))])


def drop(chance: random.Random, file: bytearray) -> bytes:
    start = chance.randrange(len(file))
    return bytes(file[:start] + file[start + chance.randrange(1, 64) :]) or b"x"


def repeat(chance: random.Random, file: bytearray) -> bytes:
    start = chance.randrange(len(file))
    return bytes(file[:start] + file[start : start + chance.randrange(1, 256)] * chance.choice((2, 50)) + file[start:])


def splice(chance: random.Random, file: bytearray) -> bytes:
    """The beginning of one kind with the end of another."""
    other = original(chance)
    return bytes(file[: chance.randrange(1, len(file))] + other[chance.randrange(len(other)) :])


def noise(chance: random.Random, file: bytearray) -> bytes:
    return bytes(file[: chance.choice((4, 12, 40))]) + chance.randbytes(chance.choice((16, 500, 5000)))


MUTATIONS: tuple[Callable[[random.Random, bytearray], bytes], ...] = (
    flip, flip_header, cut, drop, repeat, splice, noise,
)  # fmt: skip


def original(chance: random.Random) -> bytes:
    """A small picture of one kind in one of the modes that it knows."""
    kind = chance.choice([kind for kind in KINDS if kind in Image.SAVE])
    side = chance.choice((1, 8, 40))
    picture = draw_print("dots", 64, chance.randrange(4))[:side, : chance.choice((1, side))]
    if kind in ("PNG", "TIFF") and chance.random() < 0.3:
        file = io.BytesIO()
        mode = chance.choice(("L", "P", "1", "LA", "RGBA"))
        Image.fromarray(np.ascontiguousarray(picture)).convert("RGBA" if mode == "RGBA" else mode).save(file, kind)
        return file.getvalue()
    return file_of(np.ascontiguousarray(picture), kind)


def mutated(count: int, seed: int) -> Iterator[tuple[str, dict[str, str], str, bytes]]:
    """Forms to send: (address, texts, name of the file's part, the file)."""
    chance = random.Random(seed)
    for number in range(count):
        path, name, texts = FORMS[number % len(FORMS)]
        content = original(chance)
        for _ in range(chance.choice((1, 1, 2, 3))):
            content = chance.choice(MUTATIONS)(chance, bytearray(content))
        yield path, texts, name, content


def test_mutated_uploads_are_answered(client: FlaskClient) -> None:
    answers: Counter[int] = Counter()
    for path, texts, name, content in mutated(150, seed=1):
        form: dict[str, Any] = {**texts, name: (io.BytesIO(content), "photo.jpg")}
        answer = client.post(path, data=form, content_type="multipart/form-data")
        assert answer.status_code in ANSWERS, (path, answer.text)
        answers[answer.status_code] += 1
    assert answers[422] > 50


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_mutated_uploads_do_no_harm(server: Any) -> None:
    server.ready()
    workers = psutil.Process(server.process.pid).children(recursive=True)
    before, most, answers = _megabytes(workers), 0.0, Counter[int]()
    with httpx.Client(base_url=server.address, timeout=60) as client:
        for number, (path, texts, name, content) in enumerate(mutated(10_000, seed=2)):
            answer = client.post(path, data=texts, files={name: ("photo.jpg", content)})
            assert answer.status_code in ANSWERS, (number, path, answer.text)
            answers[answer.status_code] += 1
            if number % 200 == 199:
                most = max(most, _megabytes(workers))
            if number == 499:
                before = _megabytes(workers)  # each kind of model and decoder has been loaded by then
    print(dict(answers), f"{before:.0f} MB, then at most {most:.0f} MB")
    assert [worker.pid for worker in psutil.Process(server.process.pid).children(recursive=True)] == [
        worker.pid for worker in workers
    ]
    assert most - before < MEMORY_MB
    assert "Traceback" not in server.log.read_text()


def _megabytes(processes: list[psutil.Process]) -> float:
    return float(sum(process.memory_info().rss for process in processes) / 2**20)
