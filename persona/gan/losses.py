"""Adversarial losses. Scores are (n,): of real pictures and of generated ones under the same conditions.

relativistic  pairs of real and generated (Jolicoeur-Martineau 2018; with R1 and R2: R3GAN, Huang et al. 2024)
hinge         with spectral norm (Miyato et al. 2018)
lsgan         least squares (Mao et al. 2017)
wgan-gp       critic with gradient penalty (Gulrajani et al. 2017)
minimax       the original game (Goodfellow et al. 2014); its generator saturates
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Score = Callable[[Tensor], Tensor]  # pictures (n, 4, s, s) to scores (n,)


@dataclass(frozen=True)
class Loss:
    """What discriminator and generator minimise; both take (real scores, generated scores)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    spectral: bool = False  # the discriminator wants spectral norm
    zero_centred: bool = False  # R1 and R2, lazily
    interpolated: bool = False  # WGAN-GP's penalty, at every step


LOSSES: dict[str, Loss] = {
    "relativistic": Loss(
        lambda real, fake: F.softplus(fake - real).mean(),
        lambda real, fake: F.softplus(real - fake).mean(),
        zero_centred=True,
    ),
    "hinge": Loss(
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda real, fake: -fake.mean(),
        spectral=True,
    ),
    "lsgan": Loss(
        lambda real, fake: ((real - 1).square() + fake.square()).mean() / 2,
        lambda real, fake: (fake - 1).square().mean() / 2,
    ),
    "wgan-gp": Loss(
        lambda real, fake: fake.mean() - real.mean(),
        lambda real, fake: -fake.mean(),
        interpolated=True,
    ),
    "minimax": Loss(
        lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        lambda real, fake: -F.softplus(fake).mean(),
    ),
}


def gradient_norms(score: Score, pictures: Tensor) -> Tensor:
    """Squared norm (n,) of the score's gradient by the picture, differentiable by the score's weights."""
    pictures = pictures.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score(pictures).sum(), pictures, create_graph=True)
    return gradient.square().sum((1, 2, 3))


def zero_centred_penalty(score: Score, real: Tensor, fake: Tensor) -> Tensor:
    """R1 + R2: half the mean squared gradient at real and at generated pictures (Mescheder et al. 2018)."""
    return (gradient_norms(score, real).mean() + gradient_norms(score, fake).mean()) / 2


def interpolated_penalty(score: Score, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """WGAN-GP: (gradient norm - 1)^2 at share * real + (1 - share) * fake; share is (n, 1, 1, 1) in [0, 1]."""
    norms = gradient_norms(score, share * real + (1 - share) * fake)
    return ((norms + 1e-12).sqrt() - 1).square().mean()


def mismatch(matching: Tensor, mismatched: Tensor, distance2: Tensor, sigma: float) -> Tensor:
    """Real pictures must score higher under their own condition than another real picture does there.

    matching s(x_i, c_i), mismatched s(x_j, c_i), distance2 |c_i - c_j|^2, all (n,): near conditions weigh little.
    """
    weight = 1 - torch.exp(-distance2 / (2 * sigma**2))
    return (weight * F.softplus(mismatched - matching)).mean()


def contrast(read: Tensor, condition: Tensor, temperature: float = 0.1) -> Tensor:
    """Cross-entropy of finding each picture's own condition among the batch's, by the cosine to what was read from it.

    InfoNCE from data to condition (Kang and Park 2020) for a continuous condition; read and condition are (n, d).
    """
    cosines = F.normalize(read, dim=1) @ F.normalize(condition, dim=1).t()
    return F.cross_entropy(cosines / temperature, torch.arange(len(read), device=read.device))


def mean_colour(pictures: Tensor) -> Tensor:
    """Mean colour (n, 3) in [0, 1], weighted by alpha, of premultiplied pictures (n, 4, s, s) in [-1, 1]."""
    colour, alpha = ((pictures.float() + 1) / 2).split([3, 1], 1)
    return colour.sum((2, 3)) / alpha.sum((2, 3)).clamp(min=1.0)


def colour_distance(fake: Tensor, real: Tensor) -> Tensor:
    """Smooth L1 between the mean colours of generated pictures and of the real ones whose conditions they got."""
    return F.smooth_l1_loss(mean_colour(fake), mean_colour(real), beta=0.05)
