from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
from torchvision import models
from torchvision.models import WeightsEnum

from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, OutOfDate
from persona.settings import Settings
from persona.style.features import GARMENT, open_features
from persona.style.filters import FilterBank


def test_the_garment_network_is_seen_as_it_was_trained() -> None:
    folder = Settings().models
    network = VisualNetwork.load(folder / GARMENT)
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    net = open_features(GARMENT, folder)
    opaque = F.pad(pictures * 2 - 1, (0, 0, 0, 0, 0, 1), value=1.0)
    with torch.no_grad():
        deepest = net(pictures)[-1][:, : 6 * network.width]
        torch.testing.assert_close(F.avg_pool2d(deepest, 2).flatten(1), network.trunk(opaque))


@pytest.mark.parametrize(("name", "channels"), [(GARMENT, 32), ("squeezenet1_1", 64), ("vgg16", 64)])
def test_levels_are_of_the_channels_and_strides_that_the_net_says(
    name: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WeightsEnum, "get_state_dict", _untrained)
    net = open_features(name, Settings().models)
    levels = net(torch.rand(1, 3, 96, 64))
    wanted = [(1, c, 96 // s, 64 // s) for c, s in zip(net.channels, net.strides, strict=True)]
    assert [tuple(level.shape) for level in levels] == wanted
    assert net.channels[0] > channels  # the network's own, and the filters'
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not net.train().stages.training


def _untrained(weights: WeightsEnum, *args: object, **kwargs: object) -> dict[str, torch.Tensor]:
    """What a download would bring, but for the numbers."""
    return dict(models.get_model(type(weights).__name__.removesuffix("_Weights").lower(), weights=None).state_dict())


def test_weights_that_cannot_be_downloaded_say_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(weights: WeightsEnum, *args: object, **kwargs: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", refuse)
    with pytest.raises(OutOfDate, match="use --features visual-64"):
        open_features("vgg16", Path("anywhere"))


def test_another_name_is_an_error_with_the_names_there_are() -> None:
    with pytest.raises(BadInput, match="visual-64, squeezenet1_1, vgg16"):
        open_features("resnet", Path("anywhere"))


def test_a_bank_of_one_draw_is_the_same_bank_and_of_another_another() -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one, same, other = (FilterBank(4, (3, 5), torch.Generator().manual_seed(s))(picture) for s in (1, 1, 2))
    assert len(one) == 5 * 2
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])


def test_half_of_a_bank_does_not_see_a_mean_colour() -> None:
    grey = torch.full((1, 3, 32, 32), 0.9)
    response = FilterBank(4, (3,), torch.Generator().manual_seed(3))(grey)[0]
    blind, seeing = (response[:, [k, k + 4]].abs().sum(1) for k in (0, 3))
    assert blind.max() < 1e-5 < 1e-2 < seeing.min()


def test_stripes_across_and_down_are_two_textures_to_a_bank() -> None:
    across = torch.zeros(1, 3, 64, 64)
    across[:, :, ::8], across[:, :, 1::8] = 1, 1
    bank = FilterBank(16, (5,), torch.Generator().manual_seed(0))
    one, turned, moved = (bank(each)[0].mean((2, 3)) for each in (across, across.mT, across.roll(3, 2)))
    assert (one - turned).norm() > 10 * (one - moved).norm()
