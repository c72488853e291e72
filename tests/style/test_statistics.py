import numpy as np
import torch

from persona.style.statistics import adain, mean_std, resized


def test_statistics_of_a_region_are_those_of_its_pixels_alone() -> None:
    features = torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    mask[0, :, 2:5, 1:7], mask[1, :, :, :3] = 1, 1
    mean, deviation = mean_std(features, mask)
    for n in range(2):
        inside = features[n, :, mask[n, 0] > 0].numpy()  # the float64 reference
        np.testing.assert_allclose(mean[n], inside.mean(1), atol=1e-9)
        np.testing.assert_allclose(deviation[n], np.sqrt(inside.var(1) + 1e-4), atol=1e-9)


def test_a_whole_mask_is_no_mask() -> None:
    features = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for one, other in zip(mean_std(features), mean_std(features, torch.ones(1, 1, 16, 16)), strict=True):
        torch.testing.assert_close(one, other)


def test_an_empty_region_has_finite_statistics() -> None:
    assert all(each.isfinite().all() for each in mean_std(torch.randn(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)))


def test_masks_are_made_smaller_by_area() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 0] = 1
    torch.testing.assert_close(resized(mask, (2, 2)), torch.tensor([[[[0.5, 0.0], [0.5, 0.0]]]]))


def test_normalised_features_have_the_wanted_statistics_and_their_own_change_nothing() -> None:
    features = 3 + 2 * torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    own = mean_std(features)
    wanted = (torch.tensor([[1.0, -2.0, 0.0, 5.0]]), torch.tensor([[0.5, 1.0, 3.0, 2.0]]))
    mean, deviation = mean_std(adain(features, own, wanted))
    torch.testing.assert_close(mean, wanted[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(deviation, wanted[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(adain(features, own, own), features, atol=1e-5, rtol=0)
