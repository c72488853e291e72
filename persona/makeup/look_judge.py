"""Who judges generated looks: a network that read pictures of the corpus only, at another size and on other charts.

It is shown how a made-up chart differs from the bare one, in CIELAB, with the colour of its skin, and reads the
description of the look (`persona.makeup.description`). It shares no weight and no picture with the generator.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from persona.catalog.lab import rgb_to_lab
from persona.makeup.description import Drawn, drawn_of, seen, standardised
from persona.makeup.look import Look
from persona.makeup.studio import Studio
from persona.taste.table import DIMENSIONS

SIDE, TONES = 48, (1, 3, 5, 7, 9)
SEED = 1_000_003  # of its corpus and its weights
_BATCH = 64


class Reader(nn.Module):
    """Differences (n, 3, 48, 48) in CIELAB and skins (n, 3) to descriptions (n, 64)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 64)
        self.convolutions = nn.Sequential(
            *(
                layer
                for before, after in itertools.pairwise(widths)
                for layer in (nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.1))
            )
        )
        self.gather = nn.Linear(widths[-1] * (SIDE // 8) ** 2 + 3, 256)
        self.tell = nn.Linear(256, DIMENSIONS)

    def features(self, differences: Tensor, skins: Tensor) -> Tensor:
        """What it tells from, (n, 256)."""
        flat = self.convolutions(differences / 15).flatten(1)
        hidden: Tensor = torch.relu(self.gather(torch.cat([flat, skins / 50], 1)))
        return hidden

    def forward(self, differences: Tensor, skins: Tensor) -> Tensor:
        """See the class."""
        described: Tensor = self.tell(self.features(differences, skins))
        return described


class LookJudge:
    """A reader trained on looks of the corpus, and the studio it looks at looks in."""

    def __init__(self, studio: Studio, reader: Reader) -> None:
        self.studio, self.reader = studio, reader.eval().requires_grad_(False)
        self._bare = rgb_to_lab(studio.pictures)

    @classmethod
    def trained(cls, looks: list[Look], *, rounds: int = 12, studio: Studio | None = None) -> LookJudge:
        """A judge from these looks, each on a chart drawn at random anew in two of all rounds; a minute or two."""
        studio = studio or Studio.open(SIDE, tones=TONES)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            judge = cls(studio, Reader())
            judge._train(drawn_of(looks), rounds)
        return judge

    def charts(self, count: int, seed: int) -> Tensor:
        """Charts to show so many looks on, int64 (count,)."""
        return torch.randint(len(self.studio), (count,), generator=torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def differences(self, drawn: Drawn, charts: Tensor) -> Tensor:
        """What looks change on charts, CIELAB (n, 3, 48, 48)."""
        parts = torch.arange(len(charts)).split(_BATCH)
        painted = [rgb_to_lab(self.studio.paint(charts[rows], drawn.rows(rows))) for rows in parts]
        return torch.cat([after - self._bare[charts[rows]] for after, rows in zip(painted, parts)])

    @torch.no_grad()
    def look(self, looks: list[Look], charts: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptions (n, 64) as read from pictures of looks on charts (n,), and the features (n, 256) behind them."""
        hidden = self.reader.features(self.differences(drawn_of(looks), charts), self.studio.skins[charts])
        return self.reader.tell(hidden), hidden

    def _train(self, drawn: Drawn, rounds: int) -> None:
        wanted = standardised(seen(drawn))
        dealt = [self.charts(len(drawn), SEED + turn) for turn in (0, 1)]
        sets = [(charts, self.differences(drawn, charts)) for charts in dealt]
        reader = self.reader.requires_grad_(True).train()
        adam = torch.optim.AdamW(reader.parameters(), 2e-3, weight_decay=0.01)
        steps = rounds * (-(-len(drawn) // _BATCH))
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=steps)
        for turn in range(rounds):
            charts, differences = sets[turn % 2]
            for rows in torch.randperm(len(drawn)).split(_BATCH):
                if len(rows) < 2:  # batch norm needs two
                    continue
                read = reader(differences[rows], self.studio.skins[charts[rows]])
                adam.zero_grad()
                (read - wanted[rows]).square().mean().backward()
                adam.step()
                schedule.step()
        reader.eval().requires_grad_(False)
