from __future__ import annotations

import torch

from persona.taste.bench import bench_taste
from persona.taste.model import TasteConfig, TasteModel


def test_bench_measures_and_says_what_it_did_not() -> None:
    threads = torch.get_num_threads()
    result = bench_taste(TasteModel(TasteConfig()), items=500, users=20, repeats=5)
    assert 0 < result["rank100k_p50_ms"] <= result["rank100k_p99_ms"]
    assert result["encode_users_per_s"] > 0
    assert result["rank1m_p50_ms"] is None
    assert result["rank1m_recall10"] is None
    assert "rank1m" in result["why"]
    assert (result["items"], result["threads"]) == (500, 1)
    assert torch.get_num_threads() == threads
