"""Photos of people as they come in: whatever it is, pixels or BadInput with a code, in bounded memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from persona.errors import BadInput
from persona.makeup.chart import draw_chart
from persona.makeup.photo import open_photo

CODES = {"no_photo", "not_a_picture", "too_many_pixels", "animated", "broken"}
PICTURE = Image.fromarray(draw_chart("oval", 5, 256).picture)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def code(content: bytes, **limits: int) -> str:
    with pytest.raises(BadInput, match=r"^photo: .*send") as caught:
        open_photo(content, **limits)
    return caught.value.code


def outcome(content: bytes) -> str:
    """Its shape, or the code of the refusal."""
    try:
        photo = open_photo(content, max_pixels=1_000_000)
    except BadInput as error:
        return error.code
    return f"(h, w, {photo.shape[2]})" if photo.dtype == np.uint8 else str(photo.dtype)


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def lying(jpeg: bytes, height: int, width: int) -> bytes:
    """A JPEG whose header gives another size."""
    at = next(at for at in (jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2")) if at > 0)
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def test_exif_turns_the_photo_and_is_gone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    exif[0x010F] = "a camera"
    turned = PICTURE.transpose(Image.Transpose.ROTATE_270)
    photo = open_photo(saved(turned, "JPEG", exif=exif, quality=95))
    assert isinstance(photo, np.ndarray)  # pixels and nothing else
    assert np.abs(photo.astype(int) - np.asarray(PICTURE)).mean() < 3


@pytest.mark.parametrize("mode", ["CMYK", "L", "I;16", "LA", "RGBA", "YCbCr"])
def test_every_kind_of_pixel_comes_as_rgb(mode: str) -> None:
    grey = PICTURE.convert("L")
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else PICTURE.convert(mode)
    kind = {"CMYK": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG")
    photo = open_photo(saved(image, kind))
    assert photo.shape == (256, 256, 3)
    assert photo.dtype == np.uint8
    wanted = np.asarray((grey if mode in ("L", "LA", "I;16") else PICTURE).convert("RGB"))
    assert np.abs(photo.astype(int) - wanted).mean() < 8


@pytest.mark.parametrize("image", [PICTURE.quantize(64), PICTURE.convert("1")])
def test_palettes_and_single_bits_are_looked_up(image: Image.Image) -> None:
    np.testing.assert_array_equal(open_photo(saved(image, "PNG")), np.asarray(image.convert("RGB")))


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    clear.putpixel((0, 0), (200, 0, 0, 255))
    clear.putpixel((1, 0), (200, 0, 0, 128))
    photo = open_photo(saved(clear, "PNG"))
    assert photo[0, 0].tolist() == [200, 0, 0]
    assert photo[0, 1].tolist() == pytest.approx([227, 127, 127], abs=1)
    assert photo[3, 3].tolist() == [255, 255, 255]


def test_colours_follow_the_profile_in_the_file() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = open_photo(saved(PICTURE, "PNG", icc_profile=srgb))
    assert np.abs(plain.astype(int) - np.asarray(PICTURE)).max() <= 1
    swapped = srgb.replace(b"rXYZ", b"____").replace(b"bXYZ", b"rXYZ").replace(b"____", b"bXYZ")
    other = open_photo(saved(PICTURE, "PNG", icc_profile=swapped))  # whose red is blue
    assert np.abs(other.astype(int) - np.asarray(PICTURE)[..., ::-1]).max() <= 2


@pytest.mark.parametrize("profile", [b"no profile", b"\0" * 500])
def test_a_broken_profile_counts_as_none(profile: bytes) -> None:
    np.testing.assert_array_equal(open_photo(saved(PICTURE, "PNG", icc_profile=profile)), np.asarray(PICTURE))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations_are_refused_and_stills_of_the_same_kind_are_not(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    assert code(saved(frames[0], kind, save_all=True, append_images=frames[1:])) == "animated"
    assert open_photo(saved(frames[0], kind)).shape == (16, 16, 3)


def test_a_phones_photo_with_a_preview_is_no_animation() -> None:
    photo = open_photo(saved(PICTURE, "MPO", save_all=True, append_images=[PICTURE.resize((64, 64))]))
    assert photo.shape == (256, 256, 3)


def test_each_refusal_has_its_code() -> None:
    whole = saved(PICTURE, "JPEG")
    assert code(b"") == "no_photo"
    assert code(b"%PDF-1.7 not a photo") == "not_a_picture"
    assert code(whole, max_bytes=len(whole) - 1) == "too_many_bytes"
    assert code(whole, max_pixels=256 * 256 - 1) == "too_many_pixels"
    assert code(whole[: len(whole) // 2]) == "broken"
    assert open_photo(whole, max_bytes=len(whole), max_pixels=256 * 256).shape == (256, 256, 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}])
@pytest.mark.parametrize("size", [(512, 256), (256, 512), (4000, 4000)])
def test_a_header_that_promises_more_than_there_is(options: dict[str, object], size: tuple[int, int]) -> None:
    assert code(lying(saved(PICTURE, "JPEG", **options), *size)) == "broken"


def test_a_jpeg_that_was_cut_and_closed_again() -> None:
    whole = saved(PICTURE, "JPEG")
    assert code(whole[: len(whole) // 2] + b"\xff\xd9") == "broken"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_photo_that_ends_in_middle_grey_is_whole(options: dict[str, object], mode: str) -> None:
    for grey in (127, 128):
        image = Image.new(mode, (65, 33), (grey,) * len(Image.new(mode, (1, 1)).getbands()))
        assert open_photo(saved(image, "JPEG", **options)).shape == (33, 65, 3)


@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "gif", "profile"])
def test_a_bomb_is_refused_in_little_memory(kind: str) -> None:
    """In a process of its own, whose peak counts what C libraries take too."""
    script = """
import sys, warnings
from PIL import Image
warnings.simplefilter("ignore")
from persona.errors import BadInput
from persona.makeup.photo import open_photo
from persona.memory import peak_memory
content = sys.stdin.buffer.read()
before = peak_memory()
try:
    open_photo(content)
except BadInput as error:
    print(error.code)
else:
    print("opened")
peak = peak_memory() - before
assert peak < 60, peak  # MiB
"""
    answer = subprocess.run(
        [sys.executable, "-c", script], input=bomb(kind), capture_output=True, timeout=120, check=False
    )
    assert answer.stderr == b""
    assert answer.stdout.decode().strip() == ("broken" if kind == "profile" else "too_many_pixels")


def bomb(kind: str) -> bytes:
    if kind == "png":
        return png(30_000, 30_000, zlib.compress(bytes(20_000_000)))
    if kind == "profile":  # a small picture whose profile unpacks to 100 MB
        data = b"x\0\0" + zlib.compress(bytes(100_000_000))
        chunk = struct.pack(">I", len(data)) + b"iCCP" + data + struct.pack(">I", zlib.crc32(b"iCCP" + data))
        small = saved(PICTURE.resize((32, 32)), "PNG")
        return small[:33] + chunk + small[33:]
    huge = Image.new("1" if kind == "tiff" else "L", (16_000, 16_000))
    options = {"tiff": {"compression": "group4"}, "webp": {"lossless": True, "method": 0}, "gif": {}}[kind]
    return saved(huge, kind.upper(), **options)


whole_files = st.sampled_from(
    [saved(PICTURE.resize((48, 40)), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")]
)


@given(whole_files, st.floats(0, 1), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_cut_and_spoilt_files_are_pixels_or_bad_input(
    content: bytes, share: float, spoilt: list[tuple[float, int]]
) -> None:
    broken = bytearray(content[: int(len(content) * share)])
    for where, byte in spoilt if broken else ():
        broken[int(where * len(broken))] = byte
    assert outcome(bytes(broken)) in CODES | {"(h, w, 3)"}


@given(st.binary(max_size=400))
def test_garbage_is_bad_input(content: bytes) -> None:
    with pytest.raises(BadInput):
        open_photo(content)
