"""What a result's file says of its origin, and its signature where there is a certificate."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from persona.catalog.pictures import premultiply
from persona.errors import BadInput, OutOfDate
from persona.recommend.credentials import Signer, open_signer
from persona.recommend.provenance import FORMATS, SOURCE_TYPES, WORDS, Format, Label, encode, media_type, read_label
from persona.settings import Settings

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("source", SOURCE_TYPES)
def test_a_label_is_written_and_read(format: Format, source: Any) -> None:
    content = encode(PICTURE, format, Label(source))
    assert read_label(content) == Label(source, WORDS)
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif()[0x010E] == WORDS
        same = (np.asarray(image.convert("RGB")) == PICTURE).all()
        assert same == (format != "jpeg")


@pytest.mark.parametrize("format", FORMATS)
def test_a_transparent_picture_stays_so_where_files_can(format: Format) -> None:
    alpha = np.random.default_rng(1).integers(0, 256, (40, 60, 1)).astype(np.uint8)
    rgba = premultiply(np.concatenate([PICTURE, alpha], 2))
    with Image.open(io.BytesIO(encode(rgba, format, Label("algorithmicallyEnhanced")))) as image:
        read = np.asarray(image)
    if format == "jpeg":
        assert np.abs(read.astype(int) - (rgba[..., :3].astype(int) + 255 - alpha)).mean() < 12
    else:
        np.testing.assert_array_equal(premultiply(read), rgba)
    solid = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 255, np.uint8)])
    assert encode(solid, format, Label("algorithmicallyEnhanced")) == encode(
        PICTURE, format, Label("algorithmicallyEnhanced")
    )


def test_what_bears_no_label() -> None:
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "PNG")
    for content in (file.getvalue(), b"", b"no picture"):
        assert read_label(content) is None


def test_a_picture_goes_on_saying_that_a_model_made_it() -> None:
    enhanced, made = Label("algorithmicallyEnhanced"), Label("trainedAlgorithmicMedia", "Somebody's words")
    assert enhanced.after(made) == Label("trainedAlgorithmicMedia")
    assert Label("algorithmicallyEnhanced", "Ours").after(made) == Label("trainedAlgorithmicMedia", "Ours")
    assert made.after(enhanced) == made
    assert enhanced.after(None) == enhanced


@pytest.fixture
def certificate(tmp_path: Path) -> Settings:
    """Settings with a certificate of our own making, which nobody trusts."""
    pytest.importorskip("c2pa", reason="no signing: persona[c2pa] is not installed")
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now, pem = datetime.now(UTC), serialization.Encoding.PEM

    def name(text: str) -> Any:
        return x509.Name(
            [
                x509.NameAttribute(x509.NameOID.COMMON_NAME, text),
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "test"),
            ]
        )

    def issued(subject: str, key: Any, authority: bool) -> Any:
        may = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        built = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("root"))
        built = built.public_key(key.public_key()).serial_number(x509.random_serial_number())
        built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
        usage = x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, **may)
        built = built.add_extension(x509.BasicConstraints(authority, None), True).add_extension(usage, True)
        if not authority:
            purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            built = built.add_extension(purpose, False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        built = built.add_extension(issuer, False).add_extension(subject_key, False)
        return built.sign(root, hashes.SHA256()).public_bytes(pem)

    chain = issued("signer", own, False) + issued("root", root, True)
    (tmp_path / "chain.pem").write_bytes(chain)
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    return Settings(c2pa_certificate=tmp_path / "chain.pem", c2pa_key=tmp_path / "key.pem")


@pytest.mark.parametrize("format", FORMATS)
def test_results_are_signed(certificate: Settings, format: Format) -> None:
    import c2pa

    signer, label = open_signer(certificate), Label("compositeWithTrainedAlgorithmicMedia")
    assert signer is not None
    plain = encode(PICTURE, format, label)
    signed = signer.sign(plain, media_type(format), label)
    with c2pa.Reader(media_type(format), io.BytesIO(signed)) as reader:
        told = json.loads(reader.json())
    manifest = told["manifests"][told["active_manifest"]]
    assert told["validation_state"] == "Valid"
    assert manifest.get("thumbnail") is None  # nothing of the face but the picture itself
    assert manifest["assertions"][0]["data"]["actions"][0]["digitalSourceType"] == label.uri
    assert read_label(signed) == label
    with Image.open(io.BytesIO(signed)) as one, Image.open(io.BytesIO(plain)) as other:
        assert (np.asarray(one.convert("RGB")) == np.asarray(other.convert("RGB"))).all()
    with pytest.raises(OutOfDate, match="c2pa_certificate"):
        Signer(signer.certificate, signer.key, "ps256").sign(plain, media_type(format), label)


def test_signing_is_set_whole_or_not_at_all(tmp_path: Path) -> None:
    assert open_signer(Settings()) is None
    with pytest.raises(BadInput, match="c2pa_key"):
        open_signer(Settings(c2pa_certificate=tmp_path / "chain.pem"))
    with pytest.raises(BadInput, match="c2pa_certificate"):
        open_signer(Settings(c2pa_key=tmp_path / "key.pem"))
