"""A call as lines that two processes run together: a fork makes rank 1, gloo joins the two."""

from __future__ import annotations

import textwrap

from embcheck.backends.on_torch import script
from embcheck.conformance.contract.call import Call, Observation

LAYOUTS = "input_layouts=Replicate(), output_layouts=Replicate(), use_local_output=False"
"""Arguments by which a parallel module takes whole indices, and gives whole rows, on each rank."""

_IMPORTS = """\
import os
import tempfile

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

"""

_JOIN = """\
dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (2,))"""

_RUN = """

meeting = f"file://{{tempfile.mkdtemp()}}/meeting"
if os.fork() == 0:
    try:
        look_up(1, {given})
    finally:
        os._exit(0)
try:
    {answers} = look_up(0, {given})
finally:
    if dist.is_initialized():
        dist.destroy_process_group()"""


def write(call: Call, placement: str, style: str) -> str:
    """Write a call; `placement` shards a function's table, `style` a module's."""
    script.require_written(call)
    shown = [name for name in call.observe if name != Observation.INPUTS_AFTER]
    names = list(dict.fromkeys(["output", *shown]))
    given = ", ".join(call.inputs)
    lines = [_JOIN, *_tensors(call, placement), *_looked_up(call, style)]
    lines += [
        *script.derived(call, script.weight_of(call)),
        *map(_whole, names),
        *script.home(call),
    ]
    body = textwrap.indent("\n".join([*lines, f"return [{', '.join(names)}]"]), "    ")
    run = _RUN.format(given=given, answers=f"[{', '.join(names)}]")
    return f"{_IMPORTS}\ndef look_up(rank, {given}):\n{body}\n{run}"


def _tensors(call: Call, placement: str) -> list[str]:
    lines = []
    for name in call.inputs:
        is_table = name == "weight"
        where = placement if is_table else "Replicate()"
        shared = f"distribute_tensor({{}}, mesh, [{where}])"
        # `parallelize_module` shards a module's table itself.
        moved = "{}" if is_table and call.operation.makes_module else shared
        lines += script.tensor(call, name, moved)
    return lines


def _looked_up(call: Call, style: str) -> list[str]:
    lines = script.lookup(call)
    if call.operation.makes_module:
        # Between the module and its call.
        lines.insert(1, f"parallelize_module(module, mesh, {style})")
    return [*lines, "output = output.redistribute(placements=[Replicate()])"]


def _whole(name: str) -> str:
    return f"{name} = {name}.full_tensor()" if name != Observation.TRAINABLE else ""
