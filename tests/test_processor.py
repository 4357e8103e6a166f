"""Threads and vector instructions of workers: how they are found, and how they are limited."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from importlib.util import find_spec

import pytest

from embcheck.backends.on_torch.environment import environment
from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.instructions import machine_instructions
from embcheck.conformance.execution import processor
from embcheck.conformance.execution.processor import (
    NoSuchInstructions,
    processor_environment,
    with_processor,
)

AVX2 = "fpu sse2 fma avx avx2"
AVX512 = f"{AVX2} avx512f avx512dq avx512bw avx512vl amx_tile"


@pytest.mark.parametrize(
    ("machine", "line", "sets"),
    [
        ("x86_64", "flags\t\t: fpu sse2", ("default",)),
        ("x86_64", f"flags\t\t: {AVX2}", ("default", "avx2")),
        ("x86_64", f"flags\t\t: {AVX512}", ("default", "avx2", "avx512")),
        ("AMD64", f"flags\t\t: {AVX2} avx512f", ("default", "avx2")),
        ("aarch64", "Features\t: fp asimd", ("neon",)),
        ("aarch64", "Features\t: fp asimd sve sve2", ("neon", "sve")),
        ("riscv64", "isa\t: rv64imafdcv", ()),
    ],
)
def test_the_kernel_tells_the_instructions(monkeypatch, tmp_path, machine, line, sets):
    """The sets of instructions are read from the kernel's description of the processor."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\nprocessor\t: 1\n{line}\n")
    assert machine_instructions(tmp_path / "cpuinfo") == sets


def test_where_nothing_is_told_little_is_known(monkeypatch, tmp_path):
    """Without that description, 64-bit Arm has NEON, and nothing else is known."""
    for machine, sets in (("arm64", ("neon",)), ("x86_64", ())):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        assert machine_instructions(tmp_path / "absent") == sets


def test_what_the_library_says_comes_first(monkeypatch):
    """The library's own settings come first, then those of the environment and processor."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    monkeypatch.setenv(processor.INSTRUCTIONS, "avx2")
    said = with_processor(BackendInfo("x", "lib", "1", threads=7, instructions="default"))
    assert (said.threads, said.instructions) == (7, "default")
    found = with_processor(BackendInfo("x", "lib", "1"))
    assert (found.threads, found.instructions) == (3, "avx2")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert with_processor(BackendInfo("x", "lib", "1")).threads == len(os.sched_getaffinity(0))


def test_limits_keep_what_the_caller_says_to_xla(monkeypatch):
    """The caller's XLA flags are kept beside the limit; instructions not present are refused."""
    monkeypatch.setattr(processor, "machine_instructions", lambda: ("default", "avx2"))
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1")
    found = processor_environment(None, "avx2")
    assert found["XLA_FLAGS"] == "--xla_a=1 --xla_cpu_max_isa=AVX2"
    assert found["ATEN_CPU_CAPABILITY"] == "avx2"
    with pytest.raises(NoSuchInstructions, match="no avx512; it has default, avx2"):
        processor_environment(None, "avx512")


def test_code_for_other_instructions_is_kept_elsewhere(tmp_path, monkeypatch):
    """Inductor's cache has a folder for each set of instructions."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders = set()
    for name in ("default", "avx2", "avx512"):
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", name)
        folders.add(environment(tmp_path)["TORCHINDUCTOR_CACHE_DIR"])
    assert len(folders) == 3


CONFINED = (
    "import os; from embcheck.conformance.execution import processor; processor.confine_to_cores();"
    "print(len(os.sched_getaffinity(0)))"
)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system confines nothing")
@pytest.mark.parametrize("threads", [1, 2, 1000])
def test_a_worker_has_no_more_cores_than_threads(threads):
    """A worker may use no more cores than threads, for pools that read no variable."""
    environment = {**os.environ, **processor_environment(threads, None)}
    done = subprocess.run(
        [sys.executable, "-c", CONFINED],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == min(threads, len(os.sched_getaffinity(0)))


HONOURED = {
    "torch": """
import torch
print(torch.get_num_threads(), torch.backends.cpu.get_cpu_capability().lower())
""",
    "jax": """
import os, jax, jax.numpy as jnp
ones = jnp.ones((1000, 1000))
(ones @ ones).block_until_ready()
names = [open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")]
print(sum("XLAEigen" in name for name in names), os.environ["XLA_FLAGS"][-4:].lower())
""",
    "numpy": """
from numpy._core._multiarray_umath import __cpu_features__ as has
import threadpoolctl
level = "avx512" if has["AVX512_SKX"] else "avx2" if has["AVX2"] else "default"
print(threadpoolctl.threadpool_info()[0]["num_threads"], level)
""",
}
"""By library, code that prints its threads and instructions."""


@pytest.mark.parametrize("library", list(HONOURED))
def test_libraries_honour_what_is_asked_for(library):
    """PyTorch and JAX use the threads asked for, NumPy at most the cores; all use avx2 if asked."""
    if find_spec(library) is None:  # Not imported here: other tests fork this process.
        pytest.skip(f"{library} is not installed")
    if "avx2" not in machine_instructions():
        pytest.skip("the machine has no AVX2")
    cores = len(os.sched_getaffinity(0))
    for threads in (1, 2, 4) if library != "numpy" else range(1, cores + 1):
        environment = {**os.environ, **processor_environment(threads, "avx2")}
        done = subprocess.run(
            [sys.executable, "-c", HONOURED[library]],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [str(threads), "avx2"]
