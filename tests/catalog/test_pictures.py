"""The picture store, and photos as they come: broken, huge, turned, deep, in palettes."""

from __future__ import annotations

import io
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from persona.catalog.pictures import Pictures, decode_photo, encode, premultiply, unpremultiply
from persona.errors import BadInput, NotFound

shapes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))
straight_pictures = arrays(np.uint8, shapes)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(height: int = 40, width: int = 60) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 255 // height, x * 255 // width, np.full_like(x, 90)], -1).astype(np.uint8)


@given(straight_pictures)
def test_premultiplied_pictures_survive_straight_alpha_exactly(straight: np.ndarray) -> None:
    premultiplied = premultiply(straight)
    assert (premultiplied[..., :3] <= premultiplied[..., 3:]).all()
    np.testing.assert_array_equal(premultiply(unpremultiply(premultiplied)), premultiplied)


@given(straight_pictures)
@settings(max_examples=25)
def test_a_picture_comes_back_as_it_was_put(tmp_path_factory: pytest.TempPathFactory, straight: np.ndarray) -> None:
    pictures = Pictures(tmp_path_factory.mktemp("pictures"))
    rgba = premultiply(straight)
    sha256 = pictures.put(rgba)
    np.testing.assert_array_equal(pictures.get(sha256), rgba)
    assert pictures.put(rgba.copy()) == sha256


def test_a_file_is_named_by_its_content(pictures: Pictures) -> None:
    sha256 = pictures.put(premultiply(np.full((4, 4, 4), 200, np.uint8)))
    assert pictures.path(sha256) == pictures.root / sha256[:2] / f"{sha256}.webp"
    assert pictures.open_bytes(sha256) == encode(premultiply(np.full((4, 4, 4), 200, np.uint8)))
    assert [p.name for p in pictures.root.rglob("*") if p.is_file()] == [f"{sha256}.webp"]
    assert sha256 in pictures


def test_viewers_see_straight_alpha(pictures: Pictures) -> None:
    half_red = premultiply(np.full((2, 2, 4), (200, 0, 0, 128), np.uint8))
    with Image.open(pictures.path(pictures.put(half_red))) as image:
        assert image.getpixel((0, 0)) == pytest.approx((200, 0, 0, 128), abs=1)


def test_removed_is_gone_and_may_be_removed_again(pictures: Pictures) -> None:
    sha256 = pictures.put(np.full((4, 4, 4), 255, np.uint8))
    pictures.remove(sha256)
    pictures.remove(sha256)
    assert sha256 not in pictures
    with pytest.raises(NotFound, match=sha256):
        pictures.get(sha256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_a_sha256_names_a_picture(pictures: Pictures, name: str) -> None:
    with pytest.raises(NotFound, match="64 hexadecimal"):
        pictures.path(name)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 4)), np.zeros((0, 4, 4), np.uint8)])
def test_only_pictures_are_put(pictures: Pictures, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="wanted uint8"):
        pictures.put(wrong)


def test_many_threads_put_the_same_picture(pictures: Pictures) -> None:
    rgba = premultiply(np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8))
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(pictures.put(rgba))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [p.suffix for p in pictures.root.rglob("*") if p.is_file()] == [".webp"]


def test_a_plain_photo_is_rgb() -> None:
    np.testing.assert_array_equal(decode_photo(saved(Image.fromarray(gradient()), "PNG")), gradient())


def test_exif_rotation_is_undone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    turned = saved(Image.fromarray(np.rot90(gradient())), "JPEG", exif=exif, quality=95)
    photo = decode_photo(turned)
    assert photo.shape == (40, 60, 3)
    assert np.abs(photo.astype(int) - gradient()).mean() < 3


def test_deep_grey_is_scaled_not_clipped() -> None:
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    photo = decode_photo(saved(Image.fromarray(deep), "PNG"))
    assert photo.shape == (64, 64, 3)
    np.testing.assert_allclose(photo[..., 0], deep / 257, atol=1)


def png16(rgb: np.ndarray) -> bytes:
    """A 16-bit RGB PNG by hand: pillow does not write them."""
    height, width, _ = rgb.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bit_colour() -> None:
    photo = decode_photo(png16(gradient().astype(np.uint16) * 257))
    np.testing.assert_array_equal(photo, gradient())


def test_floating_point_grey() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    photo = decode_photo(saved(Image.fromarray(values), "TIFF"))
    assert photo[0, 0, 0] == 0
    assert photo[-1, -1, 0] == 255


def test_cmyk_and_grey() -> None:
    assert decode_photo(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))[0, 0] == pytest.approx(
        (255, 0, 0), abs=12
    )
    np.testing.assert_array_equal(decode_photo(saved(Image.new("L", (3, 2), 77), "PNG")), np.full((2, 3, 3), 77))


def test_a_palette_with_transparency_keeps_it() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 1)
    photo = decode_photo(saved(image, "PNG", transparency=0))
    assert photo.shape == (4, 4, 4)
    assert photo[0, 0].tolist() == [0, 0, 255, 255]
    assert photo[1, 1, 3] == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue", "lime")]
    photo = decode_photo(saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True))
    assert photo.shape[:2] == (6, 6)
    assert photo[3, 3, :3].tolist() == [255, 0, 0]


def test_one_pixel() -> None:
    assert decode_photo(saved(Image.new("RGB", (1, 1), "red"), "PNG")).tolist() == [[[255, 0, 0]]]


def test_a_large_jpeg_is_decoded_smaller_where_that_is_enough() -> None:
    large = saved(Image.fromarray(np.kron(gradient(), np.ones((20, 20, 1), np.uint8))), "JPEG")
    assert decode_photo(large).shape == (800, 1200, 3)
    photo = decode_photo(large, at_least=384)
    assert 384 <= max(photo.shape) < 1200


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_photos_are_named_as_such(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(BadInput, match=r"^picture: .*send") as caught:
            decode_photo(whole[: max(1, int(len(whole) * share))])
        assert caught.value.field == "picture"


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"<html>not found</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"^picture: .*send"):
        decode_photo(content)


@given(
    st.binary(max_size=200),
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x40\0\0\0WEBP", b"GIF89a", b"II*\0"]),
)
def test_garbage_after_a_good_beginning_is_bad_input(rest: bytes, beginning: bytes) -> None:
    with pytest.raises(BadInput):
        decode_photo(beginning + rest)


@pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (12_000, 9_000), (1, 200_000_000)])
def test_200_megapixels_are_refused_from_the_header(width: int, height: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(1_000_000))  # were it decoded, this would be the beginning of 200 MB
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )
    tracemalloc.start()
    with pytest.raises(BadInput, match="more than 50 million pixels"):
        decode_photo(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
