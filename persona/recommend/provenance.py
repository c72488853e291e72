"""Where a result's pixels come from, written into its file: IPTC's digital source type as XMP, and words for people.

The terms are those of https://cv.iptc.org/newscodes/digitalsourcetype/. A photo loses its own metadata (EXIF, place,
camera) here, with one exception: where it says that a model made it, the result goes on saying so.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, get_args
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from persona.catalog.pictures import on_white, unpremultiply

Format = Literal["png", "webp", "jpeg"]
FORMATS: tuple[Format, ...] = get_args(Format)
SourceType = Literal[
    "algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic", "trainedAlgorithmicMedia"
]
SOURCE_TYPES: tuple[SourceType, ...] = get_args(SourceType)  # the later, the more of the picture a model made
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
WORDS = "Made up with AI by persona"
_IMAGE_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131  # EXIF
_QUALITY = 95  # of a JPEG; the other formats lose nothing
_QUICK = 1  # compression of a PNG: a photo of 12 million pixels takes two seconds, at 9 it would take twenty
_MOST_METADATA = 256 * 1024  # bytes of XMP that are looked through
_STATED = re.compile(rb"DigitalSourceType\s*(?:=\s*[\"']|>\s*)https?://cv\.iptc\.org/newscodes/digitalsourcetype/(\w+)")
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 Iptc4xmpExt:DigitalSourceType={source} xmp:CreatorTool={tool}>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True)
class Label:
    """What a file says of its origin. source: IPTC term; words: for people, empty where there are none."""

    source: SourceType
    words: str = WORDS

    @property
    def uri(self) -> str:
        """The term's address, as it stands in the file."""
        return VOCABULARY + self.source

    def after(self, earlier: Label | None) -> Label:
        """The label of a picture made from one that bore another: it keeps the one that owes more to a model."""
        if earlier is None or SOURCE_TYPES.index(earlier.source) <= SOURCE_TYPES.index(self.source):
            return self
        return Label(earlier.source, self.words)


def media_type(format: Format) -> str:
    """The format's name for HTTP."""
    return f"image/{format}"


def encode(picture: NDArray[np.uint8], format: Format, label: Label) -> bytes:
    """A picture's file, uint8 (h, w, 3), or (h, w, 4) premultiplied, with its label and nothing else about it.

    PNG and WebP lose no pixel; JPEG, which knows no transparency, shows it on white.
    """
    image, file = Image.fromarray(_straight(picture, format)), io.BytesIO()
    tool = f"persona {version('persona')}"
    xmp = _XMP.format(source=quoteattr(label.uri), tool=quoteattr(tool), words=label.words).encode()
    exif = Image.Exif()
    exif[_IMAGE_DESCRIPTION], exif[_SOFTWARE] = label.words, tool
    if format == "png":
        image.save(file, "PNG", pnginfo=_chunks(xmp, label.words, tool), exif=exif, compress_level=_QUICK)
    elif format == "webp":
        image.save(file, "WEBP", lossless=True, quality=20, method=1, exact=True, xmp=xmp, exif=exif.tobytes())
    else:
        image.save(file, "JPEG", quality=_QUALITY, subsampling=0, xmp=xmp, exif=exif)
    return file.getvalue()


def _straight(picture: NDArray[np.uint8], format: Format) -> NDArray[np.uint8]:
    """As files hold colours: straight, and without an alpha that says nothing."""
    if picture.shape[2] == 3:
        return picture
    if picture[..., 3].min() == 255:
        return picture[..., :3]
    return on_white(picture) if format == "jpeg" else unpremultiply(picture)


def read_label(content: bytes) -> Label | None:
    """What a picture's file says of models that made or changed it; None where it says nothing of the kind.

    Only its header is read. A file that cannot be read says nothing.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            metadata = _metadata(image)
            words = str(image.getexif().get(_IMAGE_DESCRIPTION, ""))[:200]
    except Exception:  # whatever a broken file makes the decoders raise: it is refused where it is decoded
        return None
    for name in _STATED.findall(metadata):
        if name.decode() in SOURCE_TYPES:
            return Label(name.decode(), words)
    return None


def _chunks(xmp: bytes, words: str, tool: str) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", xmp.decode())
    chunks.add_text("Description", words)
    chunks.add_text("Software", tool)
    return chunks


def _metadata(image: Image.Image) -> bytes:
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return (found.encode() if isinstance(found, str) else bytes(found))[:_MOST_METADATA]
