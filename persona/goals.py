"""What every measuring command has to tell, in the order of the table, and what it should reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """What a value should reach: at least or at most a bound, which may be a share of another value.

    bound: of a value by name, such as by database, the bound of each name that has one.
    """

    sign: str  # ">=" or "<="
    bound: float | Mapping[str, float]
    share_of: str | None = None

    def met(self, key: str, values: Mapping[str, Any]) -> bool | None:
        """Whether it is reached; None where a value is missing."""
        value, whole = values.get(key), values.get(self.share_of) if self.share_of else 1.0
        if value is None or whole is None:
            return None
        if isinstance(self.bound, Mapping):
            return all(Goal(self.sign, bound).met(name, value) for name, bound in self.bound.items())
        bound = self.bound * float(whole)
        return bool(value >= bound) if self.sign == ">=" else bool(value <= bound)

    def __str__(self) -> str:
        """As it stands in the table."""
        if isinstance(self.bound, Mapping):
            return ", ".join(f"{name} {self.sign} {bound:g}" for name, bound in self.bound.items())
        return f"{self.sign} {self.bound:g}" + (f" × {self.share_of}" if self.share_of else "")


def _least(bound: float | Mapping[str, float], share_of: str | None = None) -> Goal:
    return Goal(">=", bound, share_of)


def _most(bound: float | Mapping[str, float]) -> Goal:
    return Goal("<=", bound)


# every command that measures: its keys in the order of the table, and the goal of each that has one
FIGURES: dict[str, dict[str, Goal | None]] = {
    "persona evaluate gan": {
        "frechet": None,
        "frechet_floor": None,
        "frechet_ratio": _most(2),
        "precision": None,
        "recall": _least(0.5, "precision"),
        "density": None,
        "coverage": _least(0.7),
        "retrieval_top1": _least(0.75, "retrieval_ceiling"),
        "retrieval_ceiling": None,
        "retrieval_shuffled": None,
        "category_accuracy": _least(0.95, "category_ceiling"),
        "category_ceiling": None,
        "classification_accuracy_score": None,
        "classification_accuracy_score_ceiling": None,
        "colour_de00_median": _most(6),
        "spread_ratio": None,
        "copy_ratio": _least(0.9),
        "win_right_over_wrong_user": _least(0.8),
    },
    "persona evaluate edits": {
        "colour_edited": None,
        "colour_before": None,
        "colour_outline_kept": None,
        "pattern_edited": None,
        "pattern_before": None,
        "pattern_colour_de00": None,
        "category_edited": None,
        "category_before": None,
        "category_own": None,
        "category_colour_de00": None,
    },
    "persona evaluate inverter": {
        "rgb_mae": None,
        "rgb_mae_no_steps": None,
        "rgb_mae_no_encoder": None,
        "rgb_mae_zero": None,
        "psnr": None,
        "outline_iou": None,
        "colour_de00": None,
        "seconds": None,
    },
    "persona evaluate taste --data beauty": {
        "hr10": _least(0.095),
        "ndcg10": _least(0.056),
        "hr10_sd": None,
        "ndcg10_sd": None,
        "train_seconds": _most(1200),
        "encoder_hr10": None,
        "encoder_ndcg10": None,
        "cooccurrence_hr10": None,
        "cooccurrence_ndcg10": None,
        "ease_hr10": None,
        "ease_ndcg10": None,
        "ials_hr10": None,
        "ials_ndcg10": None,
        "popularity_hr10": None,
        "popularity_ndcg10": None,
        "refreshed_hr10": None,
        "refreshed_ndcg10": None,
        "one_event_over_popularity": None,
        "deletion_win": _least(0.9),
        "coverage10": None,
        "popularity_share10": None,
        "intra_list_diversity10": None,
        "by_position_hr10": None,
        "by_position_ndcg10": None,
        "by_position_cooccurrence_ndcg10": None,
        "by_position_popularity_ndcg10": None,
    },
    "persona evaluate taste --data simulated": {
        "one_event_over_popularity": _least(3),
        "three_preferences_over_popularity": _least(5),
        "deletion_win": _least(0.9),
    },
    "persona evaluate makeup": {
        "lip_reduction": _least(0.8),
        "lid_reduction": _least(0.65),
        "ssim": _least(0.97),
        "nme": _most(0.012),
        "outside_changed": _most(0),
        "read_lip_de00": _most(4),
        "read_lid_de00": _most(6),
        "read_cheek_de00": _most(6),
        "lip_iou": _least(0.85),
        "fairness_worst_over_best": _most(1.25),
        "removed_lip": None,
        "removed_lid": None,
        "removed_cheek": None,
        "look_retrieval_top1": None,
        "look_retrieval_ceiling": None,
        "look_retrieval_shuffled": None,
        "look_lips_de00": None,
        "look_spread_ratio": None,
        "look_win_right_over_wrong_user": None,
        "look_win_ceiling": None,
        "look_win_shuffled": None,
    },
    "persona evaluate style": {
        "style_distance": _most(0.35),
        "style_over_optimised": _most(1.15),
        "edge_cosine": _least(0.6),
        "alpha_changed": _most(0),
        "strength_monotone": _least(1),
        "colour_transfer_control": None,
        "style_distance_optimised": None,
        "style_distance_floor": None,
        "style_distance_wrong": None,
        "edge_cosine_chance": None,
        "recognised": None,
        "recognised_ceiling": None,
        "spread_over_styles": None,
        "series_spread": None,
        "colour_kept_de00": None,
        "inpaint_psnr": _least(1, "inpaint_psnr_opencv"),
        "inpaint_psnr_opencv": None,
    },
    "persona bench taste": {
        "rank100k_p50_ms": _most(10),
        "rank100k_p99_ms": _most(25),
        "rank1m_p50_ms": _most(5),
        "rank1m_recall10": _least(0.97),
        "encode_users_per_s": _least(5000),
    },
    "persona bench generate": {
        "pictures_per_s": None,
        "gflops_per_picture": None,
        "matmul_gflops_per_s": None,
        "share_of_limit": _least(0.5),
        "gpu_pictures_per_s": None,
        "gpu_share_of_bf16_limit": None,
    },
    "persona bench makeup": {
        "render512_ms": _most(60),
        "render12mp_ms": _most(400),
        "masks512_ms": None,
        "detect512_ms": None,
        "detect12mp_ms": None,
    },
    "persona bench style": {
        "ms_512": _most(500),
        "ms_256": _most(150),
        "rss_mb": _most(1000),
        "gpu_pictures_per_s": None,
    },
    "persona bench serve": {
        "share_of_raw_generator": _least(0.85),
        "rank_requests_per_s": _least(1000),
        "p99_over_p50": _most(3),
        "overload_goodput_share": _least(0.9),
        "reject_p99_ms": _most(20),
        "sigterm_dropped": _most(0),
        "rss_mb": _most(1500),
    },
    "persona bench batch": {
        "share_of_raw_generator": _least(0.9),
        "encode_share": None,
        "pictures_per_s": None,
        "raw_pictures_per_s": None,
        "bytes_per_picture": None,
        "plan_1m_seconds": _most(60),
        "plan_1m_sqlite_seconds": _most(120),
        "rss_growth_mb_10k_to_1m": _most(200),
        "rss_mb_10k": None,
        "simulate_events_per_s": _least(100_000),
        "simulate_sqlite_events_per_s": _least(50_000),
        "ray_scaling": None,
        "ray_overhead_s_per_10k": None,
    },
    "persona bench analyze": {
        "events_per_s": _least({"postgresql": 100_000, "sqlite": 50_000}),
        "dim_user_p50_ms": _most({"postgresql": 200}),
        "dim_user_as_analyst_p50_ms": None,
        "taste_build_s": None,
        "taste_refresh_s": _most({"postgresql": 60, "sqlite": 60}),
        "segment_s": _most({"postgresql": 120, "sqlite": 120}),
        "segment_rss_mb": _most({"postgresql": 3000, "sqlite": 3000}),
        "similar_p50_ms": _most({"postgresql": 20, "sqlite": 20}),
    },
    "persona bench import": {"pictures_per_s": _least(4)},
}
