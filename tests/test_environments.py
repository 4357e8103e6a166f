"""Environment variables that a family declares are set in its workers before the import."""

from __future__ import annotations

import os

import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.address import Address
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.discovery import declared_environment
from embcheck.conformance.execution.protocol.answers import Answered, Crashed

NAME = "zoo-declares-environment"
CRASH = Call(Operation.ONE_HOT, {"indices": np.array([2])})
LOOKUP = Call(Operation.EMBEDDING, {"indices": np.array([2]), "weight": np.eye(3)})


@pytest.fixture
def worker(tmp_path):
    """Yield a worker whose adapter declares two variables, and reports what its library read."""
    client = WorkerClient(NAME, environment={"EMBCHECK_CACHE": str(tmp_path)})
    yield client
    client.close()


def test_variables_are_there_when_the_library_is_imported(worker, tmp_path):
    """Declared variables are set when the library is imported, in the worker only."""
    assert worker.info.settings == {"ZOO_CACHE": str(tmp_path / "zoo"), "ZOO_PLATFORM": "cpu"}
    assert "ZOO_CACHE" not in os.environ


def test_workers_that_are_forked_have_them_too(worker):
    """Workers that replace a crashed one have the declared variables too."""
    first = worker.info
    assert isinstance(worker.ask(CRASH), Crashed)
    assert isinstance(worker.ask(LOOKUP), Answered)
    assert worker.info is not first
    assert worker.info == first
    assert "ZOO_CACHE" in worker.info.settings


def test_beside_another_family_nothing_is_set():
    """A family without declarations sets no variables."""
    assert declared_environment("zoo-wrong-row") == {}


def test_what_is_no_text_is_the_adapters_fault(tmp_path):
    """A declared value that is not text makes the backend broken."""
    lines = 'def environment(cache):\n    return {"ZOO_CACHE": cache}\n'
    family = tmp_path / "embcheck_family"
    family.mkdir()
    for name, text in {"__init__": "", "environment": lines, "adapter": "make = None\n"}.items():
        (family / f"{name}.py").write_text(text)
    about = tmp_path / "embcheck_family-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: embcheck-family\nVersion: 1\n")
    points = "[embcheck.backends]\nzoo-family = embcheck_family.adapter:make\n"
    (about / "entry_points.txt").write_text(points)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    address = Address("zoo-family", "zoo-family")
    client = WorkerClient(address, environment={"PYTHONPATH": path})
    try:
        with pytest.raises(BackendBroken, match="TypeError: str expected"):
            _ = client.info
    finally:
        client.close()
