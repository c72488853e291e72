import numpy as np
import pytest
import torch

from persona.catalog.similarity import luminance, ssim
from persona.makeup.chart import draw_chart
from persona.makeup.look import Look, Product
from persona.makeup.render import apply


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_similarity_is_that_of_torchmetrics() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure as theirs

    chart = draw_chart("oval", 5, 256)
    made = apply(chart.picture, chart.face, Look(products=[Product(region="lips", lab="#802040", opacity=0.9)]))
    noisy = np.clip(made + np.random.default_rng(0).normal(0, 12, made.shape), 0, 255).astype(np.uint8)
    for one, other in ((chart.picture, made), (chart.picture, noisy)):
        pair = [luminance(picture) for picture in (one, other)]
        tensors = [torch.from_numpy(picture)[None, None] for picture in pair]
        # torchmetrics also counts windows that hang over the edge, of a reflected picture
        inner = theirs(*tensors, data_range=1.0, return_full_image=True)[1][0, 0]
        assert ssim(*pair) == pytest.approx(float(inner[5:-5, 5:-5].mean()), abs=1e-6)


def test_a_picture_is_like_itself() -> None:
    picture = luminance(draw_chart("round", 3, 128).picture)
    assert ssim(picture, picture) == pytest.approx(1)
    assert ssim(picture, 1 - picture) < 0.5
