"""Commands that hand models to other programs."""

from __future__ import annotations

from pathlib import Path

import click

from persona.cli.command import Group

FORMATS = {"onnx": ".onnx", "torch": ".pt2"}  # of persona.gan.export
LICENCE = "Apache-2.0"  # of the models that ship


@click.group(cls=Group)
def export() -> None:
    """Write a model in a format that other programs run."""


@export.command("gan", example="persona export gan --format onnx --out garment-64.onnx")
@click.option("--format", "to", type=click.Choice(list(FORMATS)), default="onnx", show_default=True,
              help="ONNX (needs persona[export]), or what torch.export.load reads.")  # fmt: skip
@click.option("--model", default="garment-64", show_default=True, help="Model folder in PERSONA_MODELS.")
@click.option("--licence", help=f"To write into the file. Default for the models that ship: {LICENCE}.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write: .onnx, or .pt2 for torch.")
def export_gan(to: str, model: str, licence: str | None, out: Path) -> None:
    """Export the generator of garments, with any batch size, and check that it draws the same pictures.

    The file takes z and condition, float32 (n, 64), and category, int64 (n,), gives premultiplied RGBA (n, 4, side,
    side) in [-1, 1], and says in its metadata which model it is, the licence and the categories.
    """
    from persona.catalog.pictures import write_whole
    from persona.cli.output import print_values
    from persona.errors import BadInput
    from persona.gan import GarmentModel
    from persona.gan.export import BATCHES
    from persona.gan.export import export as to_bytes
    from persona.settings import Settings, load_settings

    if out.suffix != FORMATS[to]:
        raise BadInput("--out", f"{out} must end in {FORMATS[to]} for --format {to}")
    if out.is_dir() or not out.parent.is_dir():
        raise BadInput("--out", f"{out} is a folder" if out.is_dir() else f"no folder {out.parent}: make it first")
    models = load_settings().models
    shipped = models.resolve() == Settings.model_fields["models"].default
    exported = to_bytes(GarmentModel.load(models / model), to, licence or (LICENCE if shipped else "not stated"))
    write_whole(out, exported.content)
    checked = ", ".join(map(str, BATCHES))
    print_values(
        {"file": str(out), "mib": len(exported.content) / 2**20, **exported.metadata,
         "batches_checked": checked, "largest_difference": exported.difference}, {},
    )  # fmt: skip


COMMANDS: tuple[click.Command, ...] = (export,)
