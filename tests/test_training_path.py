"""Every kind of output that is scored is also scored together with a gradient."""

from __future__ import annotations

import pytest

from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Returns, Steps

# The clauses do not define a sparse gradient that is scaled by frequency.
OPEN = {("scale_grad_by_freq", "sparse")}
OPTIONS = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")


def kind_of_output(spec):
    """Return what decides which kernel computes an output: bags, mode, dtypes and options."""
    is_bag = spec.operation.is_bag
    offsets = "offsets" if "offsets" in spec.inputs else "matrix"
    ends = "with end" if offsets == "offsets" and spec.options.get("include_last_offset") else ""
    options = {name for name in OPTIONS if spec.options.get(name) not in (None, False)}
    return (
        spec.options.get("mode", "mean") if is_bag else "lookup",
        f"{offsets} {ends}".strip() if is_bag else "",
        spec.inputs["weight"].dtype.name,
        spec.inputs["indices"].dtype.name,
        tuple(sorted(options | {"per_sample_weights"} & {*spec.inputs})),
    )


def scored_outputs():
    """Yield the id and call of each scored case or step that looks up a floating table."""
    for path in spec_files():
        for case in load_spec(path).cases:
            for spec in scored_calls(case):
                weight = spec.inputs.get("weight")
                if weight is None or path.stem == "real_table":
                    continue
                if "output" in spec.observe and weight.dtype.kind in "fV":
                    yield case.id, spec


def scored_calls(case):
    """Return the calls whose answer a case states, except for one_hot."""
    if case.spec.operation.value == "one_hot":
        return []
    if isinstance(case.expectation, Steps):
        return [step.spec for step in case.expectation.steps]
    return [case.spec] if isinstance(case.expectation, Returns) else []


SCORED = [(name, kind_of_output(spec), spec.observe) for name, spec in scored_outputs()]
TRAINED = {kind for _, kind, observed in SCORED if "grad_weight" in observed}


@pytest.mark.parametrize("kind", sorted({kind for _, kind, _ in SCORED} - TRAINED), ids=str)
def test_every_kind_of_output_comes_with_a_gradient_too(kind):
    """Each kind of output is also asked with a gradient, since training may use another kernel."""
    names = [name for name, other, _ in SCORED if other == kind]
    assert kind[-1] in OPEN, f"no case observes output and grad_weight of {kind}, like {names}"


def test_outputs_with_a_gradient_are_many():
    """Most kinds of output are asked with a gradient, so that the comparison is not empty."""
    assert len(TRAINED) > len({kind for _, kind, _ in SCORED}) / 2
