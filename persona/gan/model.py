"""A trained generator as a model folder, and sampling from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from persona import modelfolder
from persona.errors import BadInput, OutOfDate
from persona.gan.directions import Directions
from persona.gan.fold import fold
from persona.gan.networks import CONDITION, LATENT, Generator
from persona.gan.prior import Prior

KIND = "gan"
TRUNCATION = 0.8  # standard deviation of z, unless asked otherwise
BATCH, BATCH_CUDA = 16, 256  # pictures to a pass: more no longer fit a CPU's cache, and on a GPU its memory


class GarmentModel:
    """Generator, prior, directions to edit along and names, as shipped. Folders from before editing have none."""

    def __init__(
        self,
        generator: Generator,
        prior: Prior,
        categories: tuple[str, ...],
        visual: str,
        version: str = "untrained",
        directions: Directions | None = None,
    ) -> None:
        self.generator, self.prior, self.categories = generator.eval().requires_grad_(False), prior, categories
        self.visual, self.version = visual, version  # visual: version of the network whose space conditions live in
        self._directions = directions

    @property
    def size(self) -> int:
        """Side of its pictures."""
        return self.generator.size

    @property
    def device(self) -> torch.device:
        """Where the generator lives."""
        return self.generator.start.weight.device

    @cached_property
    def folded(self) -> Generator:
        """The generator to draw with: the same pictures sooner. Made from the weights at first use, in float32."""
        return fold(self.generator)

    @property
    def precision(self) -> torch.dtype:
        """What convolutions are computed in: with the version, what decides every bit of a picture.

        float16 on a GPU: it moves one value in ten thousand by more than a level of 255, and none by more than three
        (bfloat16: one in forty, by up to thirty). float32 on a CPU, so that old and new ones draw the same.
        """
        return torch.float16 if self.device.type == "cuda" else torch.float32

    def style(self, z: torch.Tensor, condition: torch.Tensor, category: torch.Tensor) -> torch.Tensor:
        """What the stages are modulated by (n, 192): `Generator.style`, as fast as this device can."""
        with self._autocast():
            return self.folded.style(z, condition, category).float()

    def draw(self, styles: Sequence[torch.Tensor]) -> torch.Tensor:
        """Pictures float32 (n, 4, size, size) from a style (n, 192) for each stage: `Generator.draw`, likewise."""
        with self._autocast():
            return self.folded.draw(styles)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.float16, enabled=self.precision == torch.float16)

    @property
    def directions(self) -> Directions:
        """What editing moves along. Raises OutOfDate for a model folder from before there was editing."""
        if self._directions is None:
            raise OutOfDate(f"{self.version}: cannot edit garments yet; run `persona train directions` on its folder")
        return self._directions

    @directions.setter
    def directions(self, directions: Directions) -> None:
        self._directions = directions

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> GarmentModel:
        """Read a model folder; raises as `persona.modelfolder.read`."""
        model = modelfolder.read(folder, KIND)
        config, categories = model.config, tuple(model.config["categories"])
        generator = Generator(config["size"], len(categories), config["width"])
        prior = Prior(model.tensors.pop("prior.mean"), model.tensors.pop("prior.root"))
        directions = Directions.of(model.tensors)
        modelfolder.fill(generator, model)
        generator.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(generator, prior, categories, config["visual"], model.name, directions)

    def save(self, folder: Path, *, width: float, card: str, metrics: dict[str, object]) -> None:
        """Write a model folder."""
        config = {"size": self.size, "width": width, "categories": list(self.categories), "visual": self.visual}
        tensors = {**self.generator.state_dict(), **self.prior.state()}
        tensors |= self._directions.state() if self._directions else {}
        self.version = modelfolder.write(folder, KIND, config, tensors, card=card, metrics=metrics).name


def condition_digest(condition: NDArray[np.float32], category: str) -> str:
    """sha256 of a condition (64,) and its category, by which a generation says what it was made from."""
    return hashlib.sha256(np.ascontiguousarray(condition, "<f4").tobytes() + category.encode()).hexdigest()


@dataclass(frozen=True)
class Code:
    """What n pictures are drawn from: z float32 (n, 64), condition float32 (n, 64), a category for each."""

    z: NDArray[np.float32]
    condition: NDArray[np.float32]
    category: tuple[str, ...]

    @classmethod
    def of(
        cls,
        conditions: NDArray[np.float32],
        categories: Sequence[str],
        seeds: Sequence[int],
        truncation: float = TRUNCATION,
    ) -> Code:
        """Codes whose z come from seeds, normal with standard deviation `truncation`: see `sample`."""
        if len(categories) != len(conditions) or len(seeds) != len(conditions):
            raise BadInput(
                "seeds", f"{len(seeds)} seeds and {len(categories)} categories for {len(conditions)} conditions"
            )
        normal = [torch.randn(LATENT, generator=torch.Generator().manual_seed(seed)).numpy() for seed in seeds]
        z = np.float32(truncation) * np.array(normal, np.float32).reshape(-1, LATENT)
        return cls(z, np.ascontiguousarray(conditions, np.float32), tuple(categories))

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, rows: slice) -> Code:
        return Code(self.z[rows], self.condition[rows], self.category[rows])

    def tensors(self, model: GarmentModel) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """z, condition and category codes where the generator lives. Raises BadInput naming the field."""
        n = len(self.category)
        for field, values, width in (("conditions", self.condition, CONDITION), ("z", self.z, LATENT)):
            if values.shape != (n, width) or not np.isfinite(values).all():
                raise BadInput(field, f"wanted finite numbers of shape ({n}, {width}), got {values.shape}")
        codes = torch.tensor([code_of(model, name) for name in self.category], dtype=torch.int64)
        z, condition = torch.from_numpy(self.z), torch.from_numpy(self.condition)
        return z.to(model.device), condition.to(model.device), codes.to(model.device)


def code_of(model: GarmentModel, category: str) -> int:
    """Number of a category. Raises BadInput for one that the generator does not draw."""
    if category not in model.categories:
        raise BadInput("category", f"{category!r} is unknown: choose from {', '.join(model.categories)}")
    return model.categories.index(category)


def sample(
    model: GarmentModel,
    conditions: NDArray[np.float32],
    categories: Sequence[str],
    seeds: Sequence[int],
    truncation: float = TRUNCATION,
    typical: float = 0.0,
) -> NDArray[np.uint8]:
    """Premultiplied pictures uint8 (n, size, size, 4) for conditions (n, 64), one category and one seed each.

    truncation: standard deviation of z (psi of the truncation trick); lower is safer and more alike, 0 makes all seeds
    one. typical: how far, from 0 to 1, conditions are drawn toward their category's mean. Each picture depends on its
    own condition, category and seed alone, but for single levels that a batch rounds otherwise: where the hash of a
    picture counts, ask for one at a time. Raises BadInput naming the field.
    """
    code = Code.of(conditions, categories, seeds, truncation)
    return render(model, pull(model, code, typical) if typical else code)


def pull(model: GarmentModel, code: Code, typical: float) -> Code:
    """Codes drawn toward their categories' mean conditions: 0 leaves them, 1 is the mean. Raises BadInput."""
    if not 0 <= typical <= 1:
        raise BadInput("typical", f"{typical}, wanted 0 (as it is) to 1 (the category's mean)")
    mean = model.prior.mean.numpy()[[code_of(model, name) for name in code.category]]
    return replace(code, condition=np.asarray(code.condition + typical * (mean - code.condition), np.float32))


@torch.no_grad()
def render(model: GarmentModel, code: Code) -> NDArray[np.uint8]:
    """Premultiplied pictures uint8 (n, size, size, 4) of codes. Raises BadInput naming the field."""
    stages = len(model.generator.stages)
    passes = zip(*(part.split(BATCH_CUDA if model.device.type == "cuda" else BATCH) for part in code.tensors(model)))
    pictures = [to_levels(model.draw([model.style(*part)] * stages)) for part in passes if len(part[0])]
    return np.concatenate(pictures) if pictures else np.zeros((0, model.size, model.size, 4), np.uint8)


def to_levels(pictures: torch.Tensor) -> NDArray[np.uint8]:
    """Pictures (n, 4, s, s) in [-1, 1] as uint8 (n, s, s, 4)."""
    levels = pictures.add(1).mul(127.5).round().clamp(0, 255)
    return np.ascontiguousarray(levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())
