"""Every loss against a reference written by hand in float64."""

from __future__ import annotations

import math

import pytest
import torch

from persona.gan.losses import (
    LOSSES,
    colour_distance,
    contrast,
    gradient_norms,
    interpolated_penalty,
    mean_colour,
    mismatch,
    zero_centred_penalty,
)

REAL, FAKE = [1.5, -0.25, 0.75], [-0.5, 0.125, 2.0]


def log1pexp(x: float) -> float:
    return math.log(1 + math.exp(x))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


BY_HAND = {
    "relativistic": (
        mean([log1pexp(f - r) for r, f in zip(REAL, FAKE)]),
        mean([log1pexp(r - f) for r, f in zip(REAL, FAKE)]),
    ),
    "hinge": (mean([max(0, 1 - r) for r in REAL]) + mean([max(0, 1 + f) for f in FAKE]), -mean(FAKE)),
    "lsgan": (
        (mean([(r - 1) ** 2 for r in REAL]) + mean([f**2 for f in FAKE])) / 2,
        mean([(f - 1) ** 2 for f in FAKE]) / 2,
    ),
    "wgan-gp": (mean(FAKE) - mean(REAL), -mean(FAKE)),
    "minimax": (
        -mean([math.log(sigmoid(r)) for r in REAL]) - mean([math.log(1 - sigmoid(f)) for f in FAKE]),
        mean([math.log(1 - sigmoid(f)) for f in FAKE]),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_what_the_paper_says(name: str) -> None:
    real, fake = torch.tensor(REAL, dtype=torch.float64), torch.tensor(FAKE, dtype=torch.float64)
    wanted_d, wanted_g = BY_HAND[name]
    assert LOSSES[name].discriminator(real, fake).item() == pytest.approx(wanted_d, rel=1e-12)
    assert LOSSES[name].generator(real, fake).item() == pytest.approx(wanted_g, rel=1e-12)


def cubic(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.pow(3).sum((1, 2, 3)) / 3  # its gradient is the square of the picture


def test_penalties_are_of_the_gradient() -> None:
    draw = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(5, 4, 3, 3, generator=draw, dtype=torch.float64) for _ in range(2))
    norms = [(picture**4).sum().item() for picture in real]
    assert gradient_norms(cubic, real).tolist() == pytest.approx(norms)
    both = mean(norms) + mean([(picture**4).sum().item() for picture in fake])
    assert zero_centred_penalty(cubic, real, fake).item() == pytest.approx(both / 2)
    between = 0.25 * real + 0.75 * fake
    wanted = mean([((picture**4).sum().sqrt().item() - 1) ** 2 for picture in between])
    share = torch.full((5, 1, 1, 1), 0.25, dtype=torch.float64)
    assert interpolated_penalty(cubic, real, fake, share).item() == pytest.approx(wanted)


def test_mismatch_weighs_by_distance() -> None:
    matching, other = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0])
    distance2 = torch.tensor([0.0, 8.0])
    wanted = (1 - math.exp(-8 / (2 * 4.0))) * log1pexp(1.0) / 2
    assert mismatch(matching, other, distance2, sigma=2.0).item() == pytest.approx(wanted)


def test_contrast_is_the_cross_entropy_of_cosines() -> None:
    read = torch.tensor([[2.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    condition = torch.tensor([[3.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    half = math.sqrt(0.5)
    by_hand = [log1pexp((0.0 - 1.0) / 0.5), log1pexp((half - half) / 0.5)]  # own cosine 1 against 0; then a tie
    assert contrast(read, condition, temperature=0.5).item() == pytest.approx(mean(by_hand))


def test_mean_colour_is_that_of_what_is_opaque() -> None:
    shares = torch.zeros(2, 4, 2, 2)
    shares[0, :, 0, 0] = torch.tensor([0.5, 0.25, 0.0, 1.0])  # one opaque pixel
    shares[0, :, 0, 1] = torch.tensor([0.1, 0.05, 0.0, 0.2])  # a pixel of its edge, of the same colour
    assert mean_colour(shares * 2 - 1)[0].tolist() == pytest.approx([0.5, 0.25, 0.0], abs=1e-6)
    assert mean_colour(shares * 2 - 1)[1].tolist() == [0.0, 0.0, 0.0]  # nothing there: no division by zero
    assert colour_distance(shares, shares).item() == 0
    assert colour_distance(shares * 2 - 1, -torch.ones_like(shares)).item() == pytest.approx(
        (0.5 - 0.025 + 0.25 - 0.025) / 6, rel=1e-5
    )
