"""What only PyTorch can answer: probes, its readings, and statistics of initial weights."""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.judging.judge import judge_observation
from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Observes

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    not torch.__version__.startswith("2.13."), reason="the specs state what PyTorch 2.13 does"
)


def is_about_pytorch(case):
    """Whether a case is a probe, or states PyTorch's reading of an undefined call."""
    is_probe = case.spec.operation is Operation.PROBE
    return is_probe or (isinstance(case.expectation, Observes) and case.expectation.pytorch)


SPECS = {
    spec.name: cases
    for spec in map(load_spec, spec_files())
    if (cases := [case for case in spec.cases if is_about_pytorch(case)])
}
STATISTICS = {
    case.id.split("/")[-1]: case
    for case in SPECS["torch_only/initialisation"]
    if case.spec.options["probe"] == "initialisation/statistics"
}


@pytest.fixture(scope="module")
def runner(reference):
    """Yield a runner of cases on eager PyTorch."""
    client = WorkerClient("torch-eager")
    yield CaseRunner(client, reference)
    client.close()


@pytest.mark.parametrize("name", list(SPECS))
def test_pytorch_does_what_the_specs_say_of_it(runner, name):
    """Every probe answers, and eager PyTorch gives every stated reading."""
    wrong, lacking = [], set()
    for case in SPECS[name]:
        verdict = runner.run(case).verdict
        exists = not verdict.message.startswith("there is no probe")
        if verdict.outcome is Outcome.UNSUPPORTED and exists:
            lacking.add(verdict.message)
        elif isinstance(case.expectation, Observes):
            stated = case.expectation.pytorch
            reading = verdict.reading.text if verdict.reading else None
            if verdict.outcome is not Outcome.OBSERVED or reading != stated:
                wrong.append((case.id, reading, stated, verdict.message))
        elif verdict.outcome in (Outcome.UNSUPPORTED, Outcome.ERRORED):
            wrong.append((case.id, str(verdict.outcome), verdict.message))
    assert not wrong
    if lacking:
        pytest.skip("; ".join(sorted(lacking)))


def failing(draw):
    """Return the ids of the statistics cases that a sample fails."""
    from embcheck.backends.on_torch.torch_only.initialisation import describe  # noqa: PLC0415  (torch)

    answers = {name: np.float32(value) for name, value in describe(draw).items()}
    return {
        id_
        for id_, case in STATISTICS.items()
        for name, wanted in case.expectation.observations.items()
        if judge_observation(name, wanted, case.spec.call(), answers, case.tolerance)
    }


SIZE = (10_000, 200)


@pytest.mark.parametrize("seed", range(3))
def test_normal_numbers_pass(seed):
    """Standard normal numbers pass the three statistics."""
    assert not failing(np.random.default_rng(seed).standard_normal(SIZE))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("draw", "found"),
    [
        (lambda g: g.normal(0.0, 1.02, SIZE), {"variance", "distribution"}),
        (lambda g: g.normal(0.01, 1.0, SIZE), {"mean", "distribution"}),
        (lambda g: g.uniform(-(3**0.5), 3**0.5, SIZE), {"distribution"}),
        (lambda g: np.clip(g.standard_normal(SIZE), -2, 2), {"variance", "distribution"}),
    ],
    ids=["too wide", "off centre", "uniform", "truncated"],
)
def test_other_numbers_are_found_out(draw, found, seed):
    """Samples that are too wide, off centre, uniform or truncated fail, with any seed."""
    assert failing(draw(np.random.default_rng(seed))) == found


@pytest.mark.parametrize(
    ("lookup", "shares"),
    [
        (lambda weight: weight[1:], True),
        (lambda weight: weight[1], True),
        (lambda weight: weight.expand(2, 3, 2), True),
        (lambda weight: weight[[0, 1, 2]], False),
        (lambda weight: weight[1:].clone(), False),
    ],
)
def test_a_view_is_told_from_a_copy(lookup, shares):
    """A view of the weight shares its memory; a copy does not."""
    from embcheck.backends.on_torch.observe import Prepared, observe  # noqa: PLC0415  (torch)

    weight = torch.ones(3, 2)
    call = Call(Operation.EMBEDDING, {}, {}, ("output_shares_memory",))
    prepared = Prepared(call, {"weight": weight}, weight, lambda: lookup(weight))
    assert observe(prepared)["output_shares_memory"].item() is shares
