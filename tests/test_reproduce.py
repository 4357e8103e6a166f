"""Printed scripts run without embcheck, and show what the suite saw."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from click.testing import CliRunner
from commands import embcheck
from each_backend import absent

from embcheck.cli.main import main
from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient
from embcheck.conformance.execution.discovery import own_backends
from embcheck.conformance.execution.judging.deviations import load_deviations
from embcheck.conformance.reproduction import session
from embcheck.conformance.reproduction.literals import NotWritable
from embcheck.conformance.reproduction.script import program
from embcheck.conformance.suite.layouts import room
from embcheck.conformance.suite.load import load_spec, spec_files

DEFAULT = ("torch-eager", "jax-take", "onnxruntime-dynamo")
CONFORMING = [
    ("torch-eager", "embedding_bag/bounds/negative-32-bit"),
    ("torch-eager", "embedding/lookup/picks-rows[dtype=bfloat16,index_dtype=int32]"),
    ("torch-eager", "pretrained/embedding_freeze/frozen-after-training"),
    ("jax-take", "embedding/gradient/sums-by-row[dtype=bfloat16,index_dtype=int64]"),
    ("onnxruntime-torchscript", "one_hot/product/rows-of-the-table[dtype=float32]"),
    ("torchscript-script", "one_hot/product/rows-of-the-table[dtype=float32]"),
]
BACKENDS = [
    pytest.param(name, marks=[] if name in DEFAULT else pytest.mark.each_backend)
    for name in own_backends()
]
"""Backends; those beyond the default ones are asked in their own session,
`conformance(BACKEND)`."""

EXPORTED = {"torch", "io"}
"""Modules that a script on an exporter's graph imports in addition."""

MOST_TRIES = 12
"""How many cases of a backend are tried until one can be written as a script."""


class Kept(WorkerClient):
    """A client that stays open for the next script, since starting PyTorch takes long."""

    def close(self):
        """Do nothing."""


@pytest.fixture(scope="module", autouse=True)
def worker_of():
    """Yield a function that returns each backend's one client, which the command uses too."""
    clients = {}

    def start(name):
        if name not in clients:
            clients[name] = Kept(name, timeout=300)
        return clients[name]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "WorkerClient", start)
        yield start
    for client in clients.values():
        WorkerClient.close(client)


def reproduce(case, backend):
    """Call `embcheck reproduce` in this process."""
    return CliRunner().invoke(main, ["reproduce", case, "-b", backend])


def script(case, backend="torch-eager"):
    """Return the printed script of a case."""
    ended = reproduce(case, backend)
    assert ended.exit_code == 0, ended.stderr
    return ended.stdout


def run(text, tmp_path):
    """Run a script in a process of its own."""
    (tmp_path / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def imported(text):
    """Return the packages that a script imports."""
    nodes = list(ast.walk(ast.parse(text)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("backend", "case", "words"),
    [
        (
            "torch-eager",
            "embedding_bag/modes/nan-last-wins-maximum",
            "Known (bug, undocumented): The documentation equates mode max",
        ),
        (
            "jax-take",
            "embedding_bag/empty_bags/in-the-middle[mode=mean]",
            "Known (composition): JAX has no bags; a mean is composed",
        ),
    ],
)
def test_a_script_says_whose_departure_it_is(backend, case, words, worker_of):
    """A script names the category and cause of a known departure."""
    info_of(worker_of(backend))
    assert words in script(case, backend)


def test_a_script_has_the_arrays_of_its_case(tmp_path, monkeypatch):
    """A script's arrays have the values, dtypes, shapes and strides of the case's inputs."""
    monkeypatch.chdir(tmp_path)  # Some scripts write files.
    written = 0
    for case in (case for path in spec_files(()) for case in load_spec(path).cases):
        if case.missing or case.large:
            continue
        try:
            text = program(case.spec, "")
        except NotWritable:
            continue
        names: dict[str, np.ndarray] = {}
        exec(compile(text, case.id, "exec"), names)
        for name, array in case.spec.call().inputs.items():
            made = names[name]
            assert (made.dtype, made.shape) == (array.dtype, array.shape), (case.id, name)
            # An empty array gets its strides when it is sent to a worker.
            strides = array.strides if array.size else room(array.shape, array.dtype).strides
            assert made.size == 1 or made.strides == strides, (case.id, name)
            if array.dtype.kind in "fV":
                zeros = array == 0
                assert (np.signbit(made) == np.signbit(array))[zeros].all(), (case.id, name)
            equal = (made == array) | ((made != made) & (array != array))  # noqa: PLR0124  (NaN)
            assert equal.all(), (case.id, name)
        written += 1
    assert written > 3000


def test_a_script_of_what_conforms_is_known_as_nothing():
    """The script of a case that passes names no known departure."""
    case = "embedding_bag/bounds/negative-32-bit"
    ended = embcheck("reproduce", case, "-b", "torch-eager")
    assert ended.returncode == 0, ended.stderr
    assert "Known (" not in ended.stdout
    assert ended.stdout == script(case)


def info_of(worker):
    """Return a backend's info; skip the test if it is unavailable."""
    try:
        return worker.info
    except BackendUnavailable as reason:
        absent(worker.name, reason)


def departures(worker) -> Iterator[tuple[str, str]]:
    """Yield the first certain case of each known deviation, with what happens there.

    Crashes, timeouts, deviations by chance, and cases that may end in several ways are left out.
    """
    info = info_of(worker)
    entries = [entry for entry in load_deviations(worker.name) if entry.holds_for(info)]
    cases = [case for path in spec_files() for case in load_spec(path).cases]
    for entry in entries:
        for case in cases:
            named = [other for other in entries if other.concerns(case.id)]
            certain = {other.happens for other in named} == {entry.happens}
            if entry in named and certain and not any(other.sometimes for other in named):
                if entry.happens not in ("crashed", "timed-out") and not case.missing:
                    yield case.id, entry.happens
                break


def first_script(worker):
    """Return the script of a backend's first departure that can be written, and what happens.

    Skip the test if the backend has no certain departure.
    """
    refused = []
    for case, happens in departures(worker):
        ended = reproduce(case, worker.name)
        if ended.exit_code == 0:
            return ended.stdout, happens
        refused.append(f"{case}: {ended.stderr.strip()}")
        if len(refused) == MOST_TRIES:
            break
    assert not refused, "\n".join(refused)
    return pytest.skip(f"{worker.name} has no known departure that is certain")


def test_what_is_wanted_of_a_stored_table_is_the_table_itself():
    """The expected answer for a quantized table is the table itself, as in the suite.

    The suite's bound is about that table, and not about what the reference stores.
    """
    table = np.random.Generator(np.random.PCG64(3)).uniform(-2.0, 3.0, (6, 3)).astype(np.float32)
    text = script("quantized/lookup/wide[scheme=uint8-row,columns=3]", "torch-quantized-ops")
    assert f"wanted = np.array({table[[5, 0, 3, 3]].tolist()}, np.float32)" in text


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_script_departs_as_the_suite_saw(backend, tmp_path, worker_of):
    """A script shows the departure of its known deviation without embcheck."""
    text, happens = first_script(worker_of(backend))
    assert f"Seen: {happens}" in text
    assert "embcheck" not in imported(text)
    ended = run(text, tmp_path)
    if happens == "rejected-valid":
        assert "DEPARTS: refused with" in ended.stdout
        assert "Traceback" in ended.stderr
        return
    assert ended.returncode == 0, ended.stderr
    said = "DEPARTS: accepted" if happens == "accepted-invalid" else "DEPARTS"
    assert any(line.startswith(said) for line in ended.stdout.splitlines()), ended.stdout


@pytest.mark.parametrize(("backend", "case"), CONFORMING)
def test_a_script_conforms_where_the_suite_passes(backend, case, tmp_path, worker_of):
    """A script of a case that passes ends with `conforms`."""
    library = info_of(worker_of(backend)).library
    text = script(case, backend)
    assert "Seen: passed" in text
    exported = EXPORTED if library.startswith("onnx") else set()
    assert imported(text) <= {"numpy", "ml_dtypes", library, *exported}
    ended = run(text, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("conforms")


def test_a_refusal_of_what_is_valid_ends_the_script(tmp_path):
    """A script of a valid call that is refused ends with the library's error, on both ranks."""
    text = script("embedding/optimisers/sgd[sparse=True,dtype=float32]", "torch-dtensor-column")
    ended = run(text, tmp_path)
    assert ended.returncode == 1
    assert "does not have a sharding strategy registered" in ended.stderr


def test_a_crash_ends_the_script_as_well(tmp_path):
    """A script of a crash dies too, and its head says so."""
    text = script("embedding_bag/empty_bags/indices-without-bags")
    assert "Seen: crashed" in text
    assert run(text, tmp_path).returncode < 0


def test_a_library_that_is_not_there_refuses_nothing(tmp_path):
    """A script that cannot import its library fails, and does not count that as a refusal."""
    text = script("embedding_bag/bounds/negative-32-bit")
    assert "conforms: refused" in text
    ended = run(text.replace("import torch\n", "import nosuch_torch as torch\n"), tmp_path)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "No module named 'nosuch_torch'" in ended.stderr


def test_the_head_names_versions_and_the_clause():
    """A script's head has the versions and the documented clause."""
    text = script("embedding_bag/include_last_offset/mean-ends-early")
    head = ast.get_docstring(ast.parse(text))
    assert "Documented (" in head
    assert "With torch 2.13.0" in head


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("embedding/lookup/pick-rows", "-b", "numpy-reference"), "did you mean"),
        (
            ("embedding/lookup/picks-rows[dtype=float32]", "-b", "numpy-reference"),
            "did you mean embedding/lookup/picks-rows[dtype=",
        ),
        (
            ("embedding/lookup/many-rows[dtype=float32]", "-b", "zoo-lists-its-script"),
            "script(call) raised TypeError: script() must return one str",
        ),
        (
            (
                "embedding/gradient/sums-by-row[dtype=float32,index_dtype=int64]",
                "-b",
                "zoo-undeclared",
            ),
            "is not asked this: zoo-undeclared does not declare the capability gradients",
        ),
        (("embedding/lookup/many-rows[dtype=float32]", "-b", "no-such"), "there is no backend"),
        (
            ("embedding/lookup/many-rows[dtype=float32]", "-b", "zoo-unavailable"),
            "embcheck reproduce: zoo-unavailable: the zoo has no such device\n",
        ),
        (
            ("embedding/lookup/many-rows[dtype=float32]", "-b", "numpy-reference"),
            "writes no scripts",
        ),
    ],
)
def test_what_cannot_be_written_is_said(arguments, words):
    """A script that cannot be written is a usage error in a sentence."""
    ended = embcheck("reproduce", *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
