"""The whole smoke test of one backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.address import Address, parse_address
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.pool import REFERENCE
from embcheck.conformance.smoke.alone import Alone, ask_the_library
from embcheck.conformance.smoke.budget import CPU_SECONDS, CpuBudget
from embcheck.conformance.smoke.capabilities import check_capabilities, check_undeclared
from embcheck.conformance.smoke.checks import (
    check_answers,
    check_budget,
    check_info,
    check_inputs,
    check_operations,
    check_printing,
    check_reads,
    check_unsupported,
    check_values,
)
from embcheck.conformance.smoke.compositions import check_compositions
from embcheck.conformance.smoke.dtypes import check_dtypes
from embcheck.conformance.smoke.finding import CheckResult, SmokeTest, Status
from embcheck.conformance.smoke.interview import Exchange, Interview
from embcheck.conformance.smoke.lifetime import check_lifetime
from embcheck.conformance.smoke.options import check_options, suspects, try_options
from embcheck.conformance.smoke.questions import dtype_questions, table_questions
from embcheck.conformance.smoke.scripts import check_scripts, plain_of_each_family
from embcheck.conformance.smoke.source import check_imports
from embcheck.conformance.smoke.tables import check_tables
from embcheck.conformance.smoke.thunk import check_thunk

Told = Callable[[list[CheckResult]], None]
Begins = Callable[[str], None]
LEAST = 0.01
"""The fewest seconds of processor time that a script is taken to need."""


def smoke_test(
    text: str,
    timeout: float,
    told: Told = lambda _: None,
    *,
    begins: Begins = lambda _: None,
    cpu_seconds: float = CPU_SECONDS,
) -> SmokeTest:
    """Check the adapter at an address, `[LABEL=]ID[:PYTHON]`, within `cpu_seconds`.

    `begins` is called with the name of each check that takes long, `told` with the results of each.
    A slow backend is asked fewer questions, and the last finding says so. Raises BadAddress,
    UnknownBackend or BackendUnavailable.
    """
    address = parse_address(text)
    budget = CpuBudget(cpu_seconds)
    backend = _worker(address, timeout)
    reference = WorkerClient(REFERENCE, timeout=timeout)
    interview = Interview(backend, reference, address.python, timeout, budget)
    found: list[CheckResult] = []
    try:
        for check in _checks(address, interview, begins):
            told(check)
            found += check
    finally:
        backend.close()
        reference.close()
    return SmokeTest(address.label, tuple(found))


def _worker(address: Address, timeout: float) -> WorkerClient:
    # Any id, because `check_info` explains a wrong one better.
    return WorkerClient(address, timeout=timeout, any_id=True)


def _checks(address: Address, interview: Interview, begins: Begins) -> Iterator[list[CheckResult]]:
    client = interview.backend
    begins("starts")
    try:
        info = client.info
    except BackendBroken as problem:
        advice = "make it start: import the module and call its factory by hand"
        yield [CheckResult(Status.FAIL, "starts", str(problem), advice)]
        return
    yield [CheckResult(Status.PASS, "starts", f"in {client.import_seconds:.1f} s")]
    yield check_info(info, address.id)
    yield check_imports(client)
    begins("operations")
    found, working = check_operations(interview)
    yield found
    begins("capabilities")
    yield check_capabilities(interview, working)
    yield check_inputs(interview.exchanges)
    begins("lifetime")
    yield check_lifetime(interview, working)
    begins("compositions")
    yield check_compositions(interview, working)
    begins("options")
    tried = try_options(interview, working)
    begins("dtypes")
    dtypes = interview.ask_variants("dtypes", working, dtype_questions)
    begins("tables")
    tables = interview.ask_variants("tables", working, table_questions)
    # The library alone is asked the calls of these three checks together, before they report.
    begins("scripts")
    alone = _ask_alone(interview, working, [suspects(tried), tables, dtypes])
    yield check_options(interview, working, tried, alone)
    yield check_scripts(working, alone)
    yield check_dtypes(interview, dtypes, alone)
    yield check_tables(tables, alone)
    begins("thunk")
    spare = partial(_worker, address, interview.timeout)
    asked = [asked[-1].question for asked in working.values()]
    yield check_thunk(client, spare, interview.affordable("thunk", asked, least=1))
    begins("undeclared")
    yield check_undeclared(interview, working)
    # These judge the answers so far, and ask nothing of the backend.
    yield check_answers(info, interview.exchanges)
    yield check_reads(info, interview.exchanges)
    yield check_unsupported(interview.exchanges)
    yield check_printing(interview.exchanges)
    yield check_values(interview, working)
    yield check_budget(interview)


def _ask_alone(
    interview: Interview,
    working: Mapping[Operation, Sequence[Exchange]],
    others: Sequence[Sequence[Exchange]],
) -> Alone:
    """Ask the library alone: plain calls first, then others as time allows.

    The cost of the plain ones predicts that of the others, because scripts share no compiled code.
    """
    budget = interview.budget
    before = budget.spent(now=True)
    plain = [exchange.question for exchange in plain_of_each_family(working)]
    alone = ask_the_library(interview, plain)
    cost = budget.spent(now=True) - before
    more = [exchange.question for exchanges in others for exchange in exchanges]
    # The import costs once, not for each script: as long as in the worker, at most half of all.
    begin = min(cost / 2, interview.backend.import_seconds)
    each = max((cost - begin) / max(len(plain), 1), LEAST)
    room = max(0, int((budget.left("scripts") - begin) / each))
    interview.left_out["scripts"] += len(more[room:])
    return alone.joined(ask_the_library(interview, more[:room]))
