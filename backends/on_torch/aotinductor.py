"""PyTorch, exported by `torch.export` and compiled ahead of time to a package by AOTInductor.

A package is for inference. It is made once per configuration, from small examples with dynamic
sizes, which takes a C++ compiler some seconds, and is kept on disk; a module's weight is in it.
https://docs.pytorch.org/docs/2.13/user_guide/torch_compiler/torch.compiler_aot_inductor.html
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch._inductor import aoti_compile_and_package, aoti_load_package, config
from torch._inductor.exc import InductorError
from torch.export import export

from embcheck.backends.on_torch import script
from embcheck.backends.on_torch.device import blocking, require_cuda
from embcheck.backends.on_torch.inference import INFERS, Exported, exported, named, provided
from embcheck.backends.on_torch.names import to_array, to_tensor
from embcheck.backends.on_torch.processor import processor
from embcheck.conformance.contract.backend import BackendInfo, inputs_after
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.export_cache import Refusal, key_of, made_once

Answer = tuple[list[torch.Tensor], Mapping[str, torch.Tensor]]
"""The package's outputs, and the tensors that the caller finds after the call."""

_SPELLING = (
    "torch._inductor.aoti_load_package(torch._inductor.aoti_compile_and_package("
    "torch.export.export({}, {examples}, dynamic_shapes={sizes})))"
)

_SOURCES = [
    Path(__file__).with_name(name).read_text() for name in ("inference.py", "aotinductor.py")
]


class TorchAotInductor:
    """AOTInductor's packages on one device."""

    def __init__(self, name: str, device: str) -> None:
        self.info = BackendInfo(
            id=name,
            library="torch",
            version=torch.__version__,
            device=device,
            **processor(),
            operations=provided(_SPELLING.format("{}", examples="...", sizes="...")),
            capabilities=INFERS,
            # A bad index trips an assertion in the kernel, which ends the use of CUDA.
            fresh_worker_after_bad_index=device == "cuda",
            made_from="torch-export",
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Compile the lookup or find its package, and load it; raise the compiler's error."""
        device = self.info.device
        lookup = exported(call)
        # In place, so that the caller finds the weight that the package was made from.
        lookup.lookup.to(device)
        key = _key(call, lookup, device)
        entry = made_once(cache_folder("aotinductor"), key, lambda: _compile(lookup, device))
        if isinstance(entry, Refusal):
            raise entry.error()
        # Outside of the thunk, so that loading the package is not timed.
        package = aoti_load_package(io.BytesIO(entry))
        tensors = {name: to_tensor(array).to(device) for name, array in call.inputs.items()}
        arguments = [tensors[name] for name in lookup.names]
        found = {**lookup.parameters, **tensors} if call.wants_inputs else {}
        return blocking(lambda: (_listed(package(*arguments)), found), device)

    def script(self, call: Call) -> str:
        """Write the export, the compilation and the call of the package."""
        exported(call)
        return script.write(call, _SPELLING, self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Bring tensors off the device."""
        outputs, found = answer
        arrays = {name: to_array(tensor) for name, tensor in found.items()}
        return {**inputs_after(arrays), **named([to_array(tensor) for tensor in outputs])}


def on_cpu() -> TorchAotInductor:
    """Make the backend `torch-aotinductor`."""
    return TorchAotInductor("torch-aotinductor", "cpu")


def on_cuda() -> TorchAotInductor:
    """Make the backend `torch-aotinductor@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    return TorchAotInductor("torch-aotinductor@cuda", "cuda")


def _listed(outputs: Any) -> list[torch.Tensor]:
    # A package of a single output returns it bare.
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def _compile(lookup: Exported, device: str) -> bytes | Refusal:
    """Make a package in which only the sizes of `fixed` inputs are static."""
    examples = tuple(example.to(device) for example in lookup.examples)
    program = export(lookup.lookup, examples, dynamic_shapes=lookup.sizes())
    package = io.BytesIO()
    try:
        with _scratch():
            aoti_compile_and_package(program, package_path=package)
    except InductorError as error:
        return Refusal.of(error)
    return package.getvalue()


@contextmanager
def _scratch() -> Iterator[None]:
    """Give the compiler a temporary folder: the package holds its sources and libraries."""
    usual = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        # Read at each compilation, so setting it for the moment is enough.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["TORCHINDUCTOR_CACHE_DIR"]
            if usual is not None:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = usual


def _key(call: Call, lookup: Exported, device: str) -> str:
    """Return a digest of all that the package depends on, also settings of machine and compiler."""
    spelling = (call.operation, call.options, lookup.names, lookup.described, device)
    # A package has vector instructions of the machine that made it.
    machine = torch.backends.cpu.get_cpu_capability()
    optimised = config.aot_inductor.compile_wrapper_opt_level
    return key_of(*spelling, torch.__version__, machine, optimised, *_SOURCES)
