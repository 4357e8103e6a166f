"""The whole smoke test of one backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from embcheck.conformance.execution.address import Address, parse_address
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.pool import REFERENCE
from embcheck.conformance.smoke.capabilities import check_capabilities, check_undeclared
from embcheck.conformance.smoke.checks import (
    check_answers,
    check_info,
    check_inputs,
    check_operations,
    check_printing,
    check_reads,
    check_unsupported,
    check_values,
)
from embcheck.conformance.smoke.dtypes import check_dtypes
from embcheck.conformance.smoke.finding import CheckResult, SmokeTest, Status
from embcheck.conformance.smoke.interview import Interview
from embcheck.conformance.smoke.scripts import check_scripts
from embcheck.conformance.smoke.source import check_imports
from embcheck.conformance.smoke.tables import check_tables
from embcheck.conformance.smoke.thunk import check_thunk

Told = Callable[[list[CheckResult]], None]


def smoke_test(text: str, timeout: float, told: Told = lambda _: None) -> SmokeTest:
    """Check the adapter at an address, `[LABEL=]ID[:PYTHON]`; `told` hears of each check.

    Raises BadAddress, UnknownBackend or BackendUnavailable.
    """
    address = parse_address(text)
    backend = _worker(address, timeout)
    reference = WorkerClient(REFERENCE, timeout=timeout)
    found: list[CheckResult] = []
    try:
        for check in _checks(address, Interview(backend, reference, address.python, timeout)):
            told(check)
            found += check
    finally:
        backend.close()
        reference.close()
    return SmokeTest(address.label, tuple(found))


def _worker(address: Address, timeout: float) -> WorkerClient:
    return WorkerClient(address, timeout=timeout, any_id=True)  # For `check_info` tells it better.


def _checks(address: Address, interview: Interview) -> Iterator[list[CheckResult]]:
    client = interview.backend
    try:
        info = client.info
    except BackendBroken as problem:
        advice = "make it start: import the module and call its factory by hand"
        yield [CheckResult(Status.FAIL, "starts", str(problem), advice)]
        return
    yield [CheckResult(Status.PASS, "starts", f"in {client.import_seconds:.1f} s")]
    yield check_info(info, address.id)
    yield check_imports(client)
    found, working = check_operations(interview)
    yield found
    yield check_capabilities(interview, working)
    yield check_inputs(interview.exchanges)
    yield check_scripts(interview, working)
    yield check_dtypes(interview, working)
    yield check_tables(interview, working)
    spare = partial(_worker, address, interview.timeout)
    yield check_thunk(client, spare, [asked[-1].question for asked in working.values()])
    yield check_undeclared(interview, working)
    yield check_answers(info, interview.exchanges)
    yield check_reads(info, interview.exchanges)
    yield check_unsupported(interview.exchanges)
    yield check_printing(interview.exchanges)
    yield check_values(interview, working)
