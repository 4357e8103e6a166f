"""Run actions on two ranks: `python rank_calls.py agree one_refuses agree`.

In each action both ranks enter a collective, or something keeps one or both from it. The result of
each action is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta

import torch
import torch.distributed as dist

from embcheck.backends.on_torch import ranks as torch_ranks
from embcheck.conformance.contract.call import Call, Operation

torch_ranks.PATIENCE = timedelta(seconds=10)


def agree():
    """Count the ranks by a collective of both."""
    counted = torch.ones(1)
    dist.all_reduce(counted)
    return int(counted)


def refuse():
    """Raise an error on both ranks."""
    raise ValueError("no")


def one_refuses():
    """Let rank 0 wait in a collective, because rank 1 raises."""
    return refuse() if dist.get_rank() == 1 else agree()


def other_refuses():
    """Let rank 1 wait in a collective, because rank 0 raises."""
    return refuse() if dist.get_rank() == 0 else agree()


def die():
    """Crash as rank 1 only."""
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    return agree()


ACTIONS = {action.__name__: action for action in (agree, refuse, one_refuses, other_refuses, die)}


def prepare(call):
    """Return the action of a call; this runs on both ranks."""
    return ACTIONS[call.options["action"]]


def main(names):
    """Run the actions one after another, and print the result or error of each."""
    ranks = torch_ranks.Ranks(prepare)
    for name in names:
        try:
            result = ranks.prepare(Call(Operation.PROBE, {}, {"action": name}))()
        except Exception as error:  # noqa: BLE001  (the caller reads what it was)
            result = f"{type(error).__name__}: {error}"
        print(f"{name}: {result}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
