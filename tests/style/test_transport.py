import numpy as np
import torch
from scipy import linalg

from persona.style.transport import MOST, NUMBERS, SHAPES, moments_of, transported, with_folds

WHOLE = torch.ones(1, 1, 64, 64)


def cloth(seed: int, across: float, down: float, side: int = 64) -> torch.Tensor:
    """Noise that is smooth by so many pixels, (1, 3, side, side), of a colour."""
    draw = np.random.default_rng(seed)
    rows, columns = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    keep = np.exp(-2 * np.pi**2 * ((columns * across) ** 2 + (rows * down) ** 2))
    noise = np.fft.ifft2(np.fft.fft2(draw.normal(size=(3, side, side))) * keep).real
    picture = draw.uniform(0.3, 0.7, (3, 1, 1)) + 0.08 * noise / noise.std()
    return torch.from_numpy(picture[None].astype(np.float32))


def test_moments_have_their_shapes_and_see_the_region_alone() -> None:
    picture, mask = cloth(0, 1, 1), torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1
    assert tuple(tuple(each.shape[1:]) for each in moments_of(picture, mask)) == SHAPES
    changed = picture.clone()
    changed[..., 44:] = 0  # farther away than any band looks, but the coarsest
    for one, other in zip(moments_of(picture, mask)[:2], moments_of(changed, mask)[:2], strict=True):
        torch.testing.assert_close(one, other)


def test_covariances_are_those_of_the_patches() -> None:
    """Against numpy's, in double precision, on the coarsest band, of which every patch counts."""
    picture = cloth(1, 2, 2)
    band = torch.nn.functional.avg_pool2d(picture, 8)
    band = band - torch.nn.functional.interpolate(
        torch.nn.functional.avg_pool2d(band, 2), scale_factor=2, mode="bilinear", align_corners=False
    )
    patches = torch.nn.functional.unfold(torch.nn.functional.pad(band, (1,) * 4, mode="replicate"), 3)[0].double()
    wanted = patches.numpy() @ patches.numpy().T / patches.shape[1]
    np.testing.assert_allclose(moments_of(picture, WHOLE)[3][0], wanted, atol=1e-8)
    assert wanted.shape == (NUMBERS, NUMBERS)


def test_a_picture_in_its_own_style_stays() -> None:
    picture = cloth(2, 1, 3)
    torch.testing.assert_close(transported(picture, WHOLE, moments_of(picture, WHOLE)), picture, atol=1e-3, rtol=0)


def test_patches_come_to_be_distributed_like_the_styles() -> None:
    content, style = cloth(3, 1.2, 0.6), cloth(4, 0.6, 1.2)
    wanted = moments_of(style, WHOLE)
    before = moments_of(content, WHOLE)
    after = moments_of(transported(content, WHOLE, wanted), WHOLE)
    for one, other, goal in zip(before[:3], after[:3], wanted[:3], strict=True):
        assert (other - goal).norm() < 0.7 * (one - goal).norm()
    torch.testing.assert_close(after[-2], wanted[-2], atol=0.02, rtol=0)


def test_the_map_is_monges() -> None:
    """Of colours alone: a picture without detail moves by the closed form that scipy computes."""
    draw = np.random.default_rng(5)
    colours = draw.normal(0.5, 0.1, (16, 3)) @ np.diag([1, 0.6, 0.8])
    flat = torch.from_numpy(colours.reshape(4, 4, 3).astype(np.float32)).permute(2, 0, 1)[None]
    content = torch.nn.functional.interpolate(flat, (64, 64), mode="nearest")
    style = cloth(6, 2, 2)
    goal = moments_of(style, WHOLE)
    own, wanted = moments_of(content, WHOLE)[-1][0].numpy(), goal[-1][0].numpy()
    root = linalg.sqrtm(own)
    known = np.linalg.inv(root) @ linalg.sqrtm(root @ wanted @ root) @ np.linalg.inv(root)
    assert np.linalg.eigvalsh(known).min() > 1 / MOST  # else it is held there
    moved = torch.nn.functional.avg_pool2d(transported(content, WHOLE, goal), 16)[0].flatten(1).T.numpy()
    mean = colours.mean(0)
    expected = (colours - mean) @ known.T + goal[-2][0].numpy()
    np.testing.assert_allclose(moved.mean(0), expected.mean(0), atol=1e-3)
    assert np.corrcoef(moved.ravel(), expected.ravel())[0, 1] > 0.9


def test_a_style_of_one_colour_keeps_some_of_the_folds() -> None:
    content = cloth(7, 4, 4)
    plain = torch.full((1, 3, 64, 64), 0.4)
    wanted = with_folds(moments_of(plain, WHOLE), moments_of(content, WHOLE))
    made = transported(content, WHOLE, wanted)
    assert 0.1 * content.std((2, 3)).mean() < made.std((2, 3)).mean() < 0.4 * content.std((2, 3)).mean()
    torch.testing.assert_close(made.mean((2, 3)), torch.full((1, 3), 0.4), atol=0.01, rtol=0)


def test_one_style_serves_many_pictures_and_a_batch_is_its_pictures() -> None:
    pictures, goal = torch.cat([cloth(8, 1, 1), cloth(9, 2, 1)]), moments_of(cloth(10, 1, 2), WHOLE)
    both = transported(pictures, WHOLE.expand(2, -1, -1, -1), goal)
    for k in range(2):
        torch.testing.assert_close(both[k : k + 1], transported(pictures[k : k + 1], WHOLE, goal), atol=1e-4, rtol=0)


def test_moments_that_are_known_need_not_be_taken_again() -> None:
    picture, goal = cloth(8, 1, 1), moments_of(cloth(10, 1, 2), WHOLE)
    assert torch.equal(transported(picture, WHOLE, goal, moments_of(picture, WHOLE)), transported(picture, WHOLE, goal))
