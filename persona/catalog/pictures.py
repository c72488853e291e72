"""Pictures by content: a file is named by the sha256 of its bytes, so the same picture is kept once and never changes.

In arrays colours are premultiplied by alpha, everywhere; in files alpha is straight, because that is what viewers
composite. Both ways are exact: a picture comes back as it was put.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from persona.errors import BadInput, NotFound

Bytes = NDArray[np.uint8]
Number = TypeVar("Number", np.uint8, np.float32)

MOST_PIXELS = 50_000_000  # of a photo that is decoded: 200 MB as RGBA
_PART = 1 << 18  # pixels whose alpha is multiplied or divided out at a time
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")  # the others keep pages or a preview, not frames


class Pictures:
    """A folder of pictures, `ab/ab...64 hex digits.webp`. Any number of processes may write to it at once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def put(self, rgba: Bytes, *, quick: bool = False) -> str:
        """Keep a premultiplied picture, uint8 (h, w, 4), and return its sha256. It is on the disk when this returns.

        quick: as of `encode`; the same picture has another name then.
        """
        return self.put_file(encode(rgba, quick=quick))

    def put_file(self, content: bytes) -> str:
        """Keep the bytes of a WebP file likewise, and return their sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.touch(sha256):
            write_whole(self.path(sha256), content)
        return sha256

    def touch(self, sha256: str) -> bool:
        """Say that somebody wants the picture, see `older_than`; False where it is not there."""
        try:
            os.utime(self.path(sha256))
        except FileNotFoundError:
            return False
        return True

    def get(self, sha256: str) -> Bytes:
        """The premultiplied picture, uint8 (h, w, 4). Raises NotFound."""
        with Image.open(io.BytesIO(self.open_bytes(sha256))) as image:
            return premultiply(np.asarray(image.convert("RGBA")))

    def path(self, sha256: str) -> Path:
        """Where the picture is or would be. Raises NotFound for what cannot be a sha256."""
        if not _SHA256.fullmatch(sha256):
            raise NotFound(f"picture {sha256[:80]!r}: a picture is named by 64 hexadecimal digits")
        return self.root / sha256[:2] / f"{sha256}.webp"

    def open_bytes(self, sha256: str) -> bytes:
        """The file's bytes (WebP). Raises NotFound."""
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"picture {sha256} is not in {self.root}") from None

    def remove(self, sha256: str) -> None:
        """Erase the picture; one that is not there is no error."""
        self.path(sha256).unlink(missing_ok=True)

    def older_than(self, time: float) -> Iterator[str]:
        """The sha256s of pictures that nobody put since a time (seconds since 1970)."""
        for path in self.root.glob("??/*.webp"):
            with suppress(FileNotFoundError):
                if _SHA256.fullmatch(path.stem) and path.stat().st_mtime < time:
                    yield path.stem

    def remove_older(self, sha256: str, time: float) -> bool:
        """Erase the picture unless somebody put it since a time; returns whether it went."""
        path = self.path(sha256)
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time:
                path.unlink()
                return True
        return False

    def __contains__(self, sha256: str) -> bool:
        return self.path(sha256).exists()


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that, whatever is interrupted, it is either there in full or not there at all.

    durable: it is on the disk when this returns. Otherwise a power cut, but nothing less, may tear it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def encode(rgba: Bytes, *, quick: bool = False) -> bytes:
    """A premultiplied picture as lossless WebP; the same picture gives the same bytes.

    quick: in a tenth of the time, a tenth larger: for what is made while somebody waits.
    """
    if rgba.dtype != np.uint8 or rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.size == 0:
        raise ValueError(f"picture: {rgba.dtype} {rgba.shape}, wanted uint8 (height, width, 4)")
    file = io.BytesIO()
    straight = Image.fromarray(unpremultiply(rgba))
    straight.save(file, "WEBP", lossless=True, quality=60, method=0 if quick else 4, exact=True)
    return file.getvalue()


def encode_to_show(opaque: Bytes) -> bytes:
    """A picture without transparency, uint8 (h, w, 3) or (h, w, 4), as WebP for people to look at: a tenth of the bytes
    and a third of the time of a lossless one, with differences that nobody sees. The same picture, the same bytes."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(opaque[..., :3])).save(file, "WEBP", quality=90, method=0)
    return file.getvalue()


def unpremultiply(rgba: Bytes) -> Bytes:
    """Straight colours of premultiplied ones, uint8 (..., 4). A colour above its alpha, which is none, is white."""
    return _in_parts(_unpremultiplied, rgba)


def premultiply(rgba: Bytes) -> Bytes:
    """Premultiplied colours of straight ones, uint8 (..., 4)."""
    return _in_parts(_premultiplied, rgba)


def _in_parts(convert: Callable[[Bytes], Bytes], rgba: Bytes) -> Bytes:
    """Pixels converted, some at a time: the numbers in between take many times the bytes of a picture."""
    pixels = rgba.reshape(-1, 4)
    converted = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), _PART):
        converted[start : start + _PART] = convert(pixels[start : start + _PART])
    return converted.reshape(rgba.shape)


def _unpremultiplied(rgba: Bytes) -> Bytes:
    return _looked_up(_tables()[0], rgba)


def _premultiplied(rgba: Bytes) -> Bytes:
    return _looked_up(_tables()[1], rgba)


def _looked_up(table: Bytes, rgba: Bytes) -> Bytes:
    """The pixels (n, 4) with each colour replaced by the table's for it and its alpha."""
    found, row = np.empty_like(rgba), rgba[:, 3].astype(np.uint16) << 8
    found[:, 3] = rgba[:, 3]
    for channel in range(3):  # one at a time, and flat: several times as fast
        np.take(table, row | rgba[:, channel], out=found[:, channel], mode="clip")
    return found


@cache
def _tables() -> tuple[Bytes, Bytes]:
    """Straight colours of premultiplied ones, and the reverse, by alpha and colour: uint8 (256, 256) each."""
    alpha, colour = np.mgrid[:256, :256]
    straight = np.minimum((colour * 510 + alpha) // np.maximum(alpha * 2, 1), 255) * (alpha > 0)
    return straight.astype(np.uint8), ((colour * alpha * 2 + 255) // 510).astype(np.uint8)


def on_white(rgba: Bytes) -> Bytes:
    """A premultiplied picture (..., 4) over white, uint8 (..., 3)."""
    return rgba[..., :3] + (255 - rgba[..., 3:])


def shrunk(picture: NDArray[Number], side: int) -> NDArray[Number]:
    """A picture (h, w) or (h, w, c) made smaller, by area, until its longer side has `side` pixels; a smaller one is
    returned as it is."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), picture.dtype)


def decode_photo(
    content: bytes,
    *,
    max_pixels: int = MOST_PIXELS,
    at_least: int | None = None,
    stills_only: bool = False,
    field: str = "picture",
) -> Bytes:
    """A photo's pixels, upright and in sRGB: uint8 (h, w, 3), or (h, w, 4) with straight alpha where the file has
    transparency.

    Any kind of JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF: 16-bit, CMYK, grey and palette pictures come as 8-bit RGB,
    colours by the file's own profile where it has a sound one, an animation as its first frame. The size is checked
    from the header, before anything is decoded. at_least: a longer side of so many pixels is enough, which makes large
    JPEGs several times as fast. stills_only: refuse animations.

    Raises BadInput with this field and the code no_photo (empty), not_a_picture, too_many_pixels, animated or broken
    (cut short, or with less in it than its header says).
    """
    if not content:
        raise BadInput(field, "the file is empty: send the photo again", "no_photo")
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            _refuse_large(image.width * image.height, max_pixels, field)
            if stills_only and image.format in _ANIMATED and getattr(image, "is_animated", False):
                raise BadInput(field, "is an animation: send a photo that stands still, as JPEG or PNG", "animated")
            if at_least is not None and image.format in ("JPEG", "MPO"):
                image.draft(None, (at_least, at_least))
            image.load()
            if image.format in ("JPEG", "MPO") and _ends_grey(image) and _is_starved(content, image):
                raise ValueError("its header says more than there is")
            ImageOps.exif_transpose(image, in_place=True)
            return _eight_bit(_in_srgb(image))
    except BadInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        _refuse_large(2 * max_pixels, max_pixels, field)
        raise
    except UnidentifiedImageError:
        wanted = ", ".join(kind for kind in _formats() if kind != "MPO")
        raise BadInput(field, f"is no picture that can be read: send one of {wanted}", "not_a_picture") from None
    except Exception as error:  # on a broken file the decoders raise whatever they come upon
        raise BadInput(field, f"is broken or cut short ({error}): send the photo again", "broken") from None


def _formats() -> list[str]:
    Image.init()
    return [kind for kind in _KINDS if kind in Image.OPEN]


def _refuse_large(pixels: int, most: int, field: str) -> None:
    if pixels > most:
        raise BadInput(field, f"has more than {most / 1e6:g} million pixels: send a smaller one", "too_many_pixels")


def _ends_grey(image: Image.Image) -> bool:
    """Whether the last corner is the middle grey that libjpeg fills in, without a word, where the data end early."""
    corner = np.asarray(image.crop((max(image.width - 4, 0), max(image.height - 4, 0), image.width, image.height)))
    return bool((np.abs(corner.astype(int) - 127.5) <= 1.5).all())


def _is_starved(content: bytes, image: Image.Image) -> bool:
    """Whether a JPEG's decoder still wants data at the end: then data put there show in the picture."""
    end = content.rfind(b"\xff\xd9")
    more = b"".join(b"\x5a\xa5\x3c\x69\x96" * 40 + bytes((0xFF, 0xD0 + i)) for i in range(8))
    with Image.open(io.BytesIO(content[:end] + more + content[end:]), formats=["JPEG"]) as fed:
        fed.draft(None, image.size)
        return fed.size != image.size or fed.tobytes() != image.tobytes()


def _in_srgb(image: Image.Image) -> Image.Image:
    """Colours by the profile in the file; one that is broken or of another kind of picture counts as none."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        wanted = "RGBA" if image.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode=wanted)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted if converted is not None else image


def _eight_bit(image: Image.Image) -> Bytes:
    if image.mode.startswith("I") or image.mode == "F":
        image = _from_deep(np.asarray(image, np.float64))
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.array(image, np.uint8)


def _from_deep(grey: NDArray[np.float64]) -> Image.Image:
    """Grey of 16 or 32 bits or floating point, whose white is not written down: the least usual one above its peak."""
    peak = float(grey.max(initial=0))
    white = next((w for w in (1.0, 255.0, 65535.0) if peak <= w), max(peak, 1.0))
    return Image.fromarray(np.rint(np.clip(np.nan_to_num(grey) / white, 0, 1) * 255).astype(np.uint8))
