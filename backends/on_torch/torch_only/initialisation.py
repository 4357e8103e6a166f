"""Probes of a new module's weight: how it is drawn and reset."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import torch

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion

QUANTILES = 1000


def statistics(question: ProbeQuestion) -> Answers:
    """Draw a weight from the seed `seed`; return its mean, variance and distance from N(0, 1)."""
    return describe(_drawn(question).weight.detach().double().cpu().numpy())


def describe(values: np.ndarray) -> dict[str, float]:
    """Return mean, variance, and the largest gap between a sample's distribution and N(0, 1).

    The gap is measured only at quantiles of N(0, 1), so it is at most the Kolmogorov-Smirnov
    statistic.
    """
    flat = np.sort(values, axis=None)
    probabilities = np.arange(1, QUANTILES) / QUANTILES
    quantiles = [NormalDist().inv_cdf(probability) for probability in probabilities]
    below = np.searchsorted(flat, quantiles, side="right") / flat.size
    return {
        "answer_mean": float(flat.mean()),
        "answer_variance": float(flat.var(ddof=1)),
        "answer_distance": float(np.abs(below - probabilities).max()),
    }


def same_draw(question: ProbeQuestion) -> Answers:
    """Draw with padding and without, from one seed; return the difference of the weights."""
    padded = _drawn(question)
    plain = _drawn(ProbeQuestion({}, {**question.options, "padding_idx": None}, question.device))
    return {"answer": plain.weight - padded.weight}


def reset(question: ProbeQuestion) -> Answers:
    """Fill the weight with 9 and reset it; return it, how many 9 are left, and if it trains."""
    module = _drawn(question)
    module.weight.requires_grad_(not question.options["arguments"]["frozen"])
    with torch.no_grad():
        module.weight.fill_(9)
    with torch.random.fork_rng(devices=[]):
        module.reset_parameters()
    left = int((module.weight == 9).sum())
    trainable = module.weight.requires_grad
    return {"answer": module.weight, "answer_left": left, "answer_trainable": trainable}


def _drawn(question: ProbeQuestion) -> Any:
    """Make a module from a seed, leaving the process's generator as it was."""
    options = dict(question.options)
    seed = options.pop("arguments")["seed"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Embedding(**options, device=question.device)
