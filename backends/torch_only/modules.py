"""Probes of modules: what they hold, print and save."""

from __future__ import annotations

from operator import attrgetter

import torch

from embcheck.backends.torch_only.probes import Answers, Question


def printed(question: Question) -> Answers:
    """Make the module of class `object` and return its printed form."""
    options = dict(question.options)
    module = attrgetter(options.pop("object"))(torch.nn)(**options)
    return {"answer_text": repr(module)}
