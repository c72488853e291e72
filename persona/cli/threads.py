"""How many CPU threads the models may use in a command."""

from __future__ import annotations

from persona.settings import Settings


def set_threads(settings: Settings, default: int | None = None) -> None:
    """Follow the setting `threads`; unset: the command's own default, else one for each core.

    One thread is right where little is computed at a time: a second one gains little there, and while other programs
    keep the cores busy, threads that wait for each other lose many times that.
    """
    import torch

    if wanted := settings.threads or default:
        torch.set_num_threads(wanted)
