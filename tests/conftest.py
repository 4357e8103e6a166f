"""Shared fixtures: run the suite's own specs on a backend, in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from each_backend import absent

from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient
from embcheck.conformance.execution.judging.verdict import Verdict
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.suite.load import load_spec
from embcheck.conformance.suite.model import Case

SPECS = Path(__file__).parent / "data" / "zoo"
LONGEST = (
    *("test_check_backend", "test_pytest_plugin", "test_wheel", "test_recipes", "test_reproduce"),
    *("test_adapters", "test_fuzz", "test_soak", "test_hostile_clocks", "test_hostile_deaths"),
    *("test_hostile_files", "test_hostile_floods", "test_hostile_answers", "test_ranks"),
)
"""The slowest test files. Add each new file that takes half a minute or more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first, so that parallel workers finish at about the same time."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """Return the few cases that the zoo is judged by, keyed by the last part of their id."""
    spec = load_spec(SPECS / "specs" / "small.yaml")
    return {case.id.split("/")[-1]: case for case in spec.cases}


@pytest.fixture(scope="session")
def reference() -> Iterator[WorkerClient]:
    """Yield a client whose worker runs the NumPy reference."""
    client = WorkerClient("numpy-reference")
    yield client
    client.close()


@pytest.fixture
def judge(cases: dict[str, Case], reference: WorkerClient) -> Iterator[Callable[..., Verdict]]:
    """Yield a function that runs one of the cases on a backend and returns the verdict."""
    clients: dict[str, WorkerClient] = {}

    def run(backend: str, case: str, timeout: float = 60.0) -> Verdict:
        if backend not in clients:
            clients[backend] = WorkerClient(backend, timeout=timeout)
        return CaseRunner(clients[backend], reference).run(cases[case]).verdict

    yield run
    for client in clients.values():
        client.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where a module's workers cache their exports."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def workers(cache: Path) -> Iterator[Callable[[str], WorkerClient]]:
    """Yield a function that returns a client of a backend, or skips if it is unavailable."""
    clients: dict[str, WorkerClient] = {}

    def worker(name: str) -> WorkerClient:
        if name not in clients:
            environment = {"EMBCHECK_CACHE": str(cache)}
            clients[name] = WorkerClient(name, timeout=300, environment=environment)
        client = clients[name]
        try:
            assert client.info.id == name
        except BackendUnavailable as reason:
            absent(name, reason)
        return client

    yield worker
    for client in clients.values():
        client.close()
