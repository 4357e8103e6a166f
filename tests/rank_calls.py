"""Two ranks that do as they are told: `python rank_calls.py agree one_refuses agree`.

Each action is a collective of both, or what keeps one of them from it; its result is printed.
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
    """Count the ranks together."""
    counted = torch.ones(1)
    dist.all_reduce(counted)
    return int(counted)


def refuse():
    """Raise, like the other."""
    raise ValueError("no")


def one_refuses():
    """Leave rank 0 alone in a collective."""
    return refuse() if dist.get_rank() == 1 else agree()


def other_refuses():
    """Leave rank 1 alone in a collective."""
    return refuse() if dist.get_rank() == 0 else agree()


def die():
    """Crash as rank 1 only."""
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    return agree()


ACTIONS = {action.__name__: action for action in (agree, refuse, one_refuses, other_refuses, die)}


def prepare(call):
    """Look the action up; both ranks do so."""
    return ACTIONS[call.options["action"]]


def main(names):
    """Do one action after the other."""
    ranks = torch_ranks.Ranks(prepare)
    for name in names:
        try:
            result = ranks.prepare(Call(Operation.PROBE, {}, {"action": name}))()
        except Exception as error:  # noqa: BLE001  (the caller reads what it was)
            result = f"{type(error).__name__}: {error}"
        print(f"{name}: {result}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
