"""Content Credentials (C2PA): results signed with the operator's certificate, where one is set; needs `persona[c2pa]`.

The manifest states what was done and holds nothing of the photo: no thumbnail, no ingredient. Nothing is looked up or
sent: no timestamp authority is asked.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from persona.errors import BadInput, OutOfDate
from persona.recommend.provenance import Label
from persona.settings import Settings, Signature

INSTALL = "signing results needs c2pa-python, which is not installed: `pip install 'persona[c2pa]'`, or unset c2pa_key"


@dataclass(frozen=True)
class Signer:
    """Signs files. certificate: the chain as PEM, the signer's own first; key: PEM, PKCS 8, of this algorithm."""

    certificate: bytes
    key: bytes = field(repr=False)
    algorithm: Signature = "es256"

    def sign(self, content: bytes, media_type: str, label: Label) -> bytes:
        """The same picture's file with a signed manifest in it. Raises OutOfDate for a refused certificate."""
        c2pa, signed = _c2pa(), io.BytesIO()
        settings = c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        told = c2pa.C2paSignerInfo(self.algorithm, self.certificate, self.key, None)
        try:
            with (
                settings,
                c2pa.Context(settings) as context,
                c2pa.Signer.from_info(told) as signer,
                c2pa.Builder(_manifest(media_type, label), context) as builder,
            ):
                builder.sign(signer, media_type, io.BytesIO(content), signed)
        except c2pa.C2paError as error:
            remedy = "set one for signing documents or e-mail, its chain and its key (c2pa.org says which)"
            raise OutOfDate(f"c2pa_certificate: results cannot be signed with it ({error}); {remedy}") from error
        return signed.getvalue()


def open_signer(settings: Settings) -> Signer | None:
    """The signer of the settings; None where they name none.

    Raises BadInput where only one of certificate and key is set, or a file cannot be read, and OutOfDate without
    `persona[c2pa]`.
    """
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadInput(
            "c2pa_key" if key is None else "c2pa_certificate", "set both, or neither: results are then signed"
        )
    _c2pa()
    return Signer(_read("c2pa_certificate", certificate), _read("c2pa_key", key), settings.c2pa_algorithm)


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(name, f"{path} cannot be read ({error.strerror}): give a PEM file") from error


def _c2pa() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise OutOfDate(INSTALL) from error
    return c2pa


def _manifest(media_type: str, label: Label) -> dict[str, Any]:
    action = {"action": "c2pa.created", "digitalSourceType": label.uri, "description": label.words}
    return {
        "claim_generator_info": [{"name": "persona", "version": version("persona")}],
        "format": media_type,
        "title": label.words,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
