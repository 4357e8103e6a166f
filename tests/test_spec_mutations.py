"""Mutated specs are refused with a place, or their cases can be run."""

from __future__ import annotations

import json
import math
import time
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from embcheck.conformance.check_files import check_files
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files, suite_root
from embcheck.conformance.suite.model import Rejects, Steps
from embcheck.conformance.suite.problems import SpecError
from embcheck.conformance.suite.source import read_yaml

SECONDS = 2.0
MUTATIONS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SOURCES = (
    *("embedding/layouts", "embedding_bag/combinations", "embedding/bounds"),
    *("embedding_bag/sequences", "one_hot/refusals", "sizes/bag_sum", "embedding/fresh_module"),
    *("pretrained/embedding_options", "ledger/maxima", "sizes/large"),
)
"""Specs that have each kind of case: literals, generators, refusals, readings, sequences,
ladders."""

ODD = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, 0, 1, -1, 2, 5, 1.5, -0.0, 1e-320, 70000, 2**31, 2**63, -(2**64)),
            *(10**30, 10**400, math.inf, -math.inf, math.nan, 1e308),
            *(
                "",
                " ",
                "x",
                "$",
                "$dtype",
                "$none",
                "absent",
                "reference",
                "1",
                "first\n",
                "\u202e",
            ),
            *("float16", "bool", "complex64", "uint64", "expanded", "mapped", "integers", "full"),
            *("2020-01-01", "embedding", "one_hot", "probe", "weight"),
            *(
                [],
                [[]],
                [[], [1]],
                [1, [2]],
                [0, 2**62, 4],
                [1, "x"],
                [None],
                [math.nan],
                [True, 2],
            ),
            *({}, {"a": 1}, {"$dtype": {}}, {"values": 1}, {"shape": [3]}, {"dtype": "float32"}),
            {"dtype": "int64", "generator": "integers", "low": 5, "high": 1, "shape": [3]},
            {"dtype": "int8", "generator": "arange", "shape": [300]},
            {"dtype": "int8", "generator": "arange", "step": 50, "modulo": 300, "shape": [5]},
            {"dtype": "float32", "generator": "full", "value": math.inf, "shape": [2, 2]},
            {"m": list(range(1000))},
        ]
    ),
    st.integers(-3, 3).map(lambda depth: [[depth]] * 3),
)


@cache
def trees():
    """Return the specs that are mutated, as plain data."""
    known = {f"{path.parent.name}/{path.stem}": path for path in spec_files(())}
    return {name: json.loads(json.dumps(read_yaml(known[name]))) for name in SOURCES}


OTHERS = ("clauses/one_hot", "documentation/one_hot", "workloads/r1", "curves/rows", "deviations/x")
DEVIATIONS = """\
include: [shared]
deviations:
- cases: ["embedding/bounds/*", "embedding/lookup/picks-rows[*]"]
  happens: accepted-invalid
  cause: documented
  reason: It says so.
  link: https://example.org/docs/page.html
  message: "^wrong"
  when: {version: ">=2.13", threads: ">=2", device: cpu, instructions: [avx2, avx512]}
"""


@cache
def other(name):
    """Return a file of another kind as plain data."""
    if name == "deviations/x":
        return YAML(typ="safe").load(DEVIATIONS)
    return json.loads(json.dumps(read_yaml(suite_root() / f"{name}.yaml")))


def places(tree, path=()):
    """Yield the paths of all values in a tree."""
    yield path
    if isinstance(tree, (dict, list)):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


def mutate(tree, path, act, value):
    """Replace, remove, double or rename the value at a path; return the changed tree."""
    if not path:
        return value
    tree = deepcopy(tree)
    owner = tree
    for step in path[:-1]:
        owner = owner[step]
    if act == "remove":
        del owner[path[-1]]
    elif act == "rename" and isinstance(owner, dict):
        owner[str(value)] = owner.pop(path[-1])
    elif act == "double" and isinstance(owner, list):
        owner.insert(0, deepcopy(owner[path[-1]]))
    else:
        owner[path[-1]] = deepcopy(value)
    return tree


def as_yaml(value):
    """Write plain data as YAML on one line."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(str(k))}: {as_yaml(v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    return json.dumps(value)


def calls_of(case):
    """Return all calls of a case, including its control's."""
    expectation = case.expectation
    if isinstance(expectation, Steps):
        return [step.spec for step in expectation.steps]
    return [case.spec, *([expectation.control] if isinstance(expectation, Rejects) else [])]


def load(path):
    """Return the cases of a spec, and its problems."""
    try:
        return load_spec(path, shipped_clauses()).cases, []
    except SpecError as error:
        return (), error.problems


@pytest.mark.parametrize("name", SOURCES)
def test_a_mutated_spec_is_refused_with_its_place_or_can_be_run(name, tmp_path_factory):
    """A mutated spec is refused with a place, or all its calls can be made, within seconds."""
    path = Path(tmp_path_factory.mktemp("mutated"), "mutated.yaml")
    tree = trees()[name]
    where = st.sampled_from([*places(tree)])
    acts = st.sampled_from(["replace", "replace", "replace", "remove", "rename", "double"])
    seen = {"refused": 0, "valid": 0}

    def look(text):
        path.write_text(text, "utf-8")
        started = time.process_time()
        cases, problems = load(path)
        assert time.process_time() - started < SECONDS
        seen["valid" if cases else "refused"] += 1
        assert cases or problems
        assert all(problem.line == 1 and problem.column >= 1 for problem in problems)
        for case in cases:
            json.dumps(case.description, allow_nan=False)
            for call in () if case.large or case.missing else calls_of(case):
                call.call()

    @MUTATIONS
    @given(where, acts, ODD)
    def check(place, act, value):
        look(as_yaml(mutate(tree, place, act, value)))

    look(as_yaml(tree))
    assert seen["valid"], "the spec itself is valid; of its mutants, chance may make none"
    check()
    assert seen["refused"], seen


@pytest.mark.parametrize("name", OTHERS)
def test_a_mutated_file_of_another_kind_is_valid_or_refused(name, tmp_path_factory):
    """Mutated clauses, workloads, curves, deviations and mappings are valid, or refused in time."""
    folder = Path(tmp_path_factory.mktemp("mutated"), name.partition("/")[0])
    folder.mkdir()
    (folder / "shared.yaml").write_text("deviations: []\n")
    path = folder / "mutated.yaml"
    tree = other(name)
    path.write_text(as_yaml(tree), "utf-8")
    assert check_files([path]).problems == []
    where = st.sampled_from([*places(tree)])
    acts = st.sampled_from(["replace", "replace", "replace", "remove", "rename", "double"])
    seen = {"refused": 0, "valid": 0}

    @MUTATIONS
    @given(where, acts, ODD)
    def check(place, act, value):
        path.write_text(as_yaml(mutate(tree, place, act, value)), "utf-8")
        started = time.process_time()
        problems = check_files([path]).problems
        assert time.process_time() - started < SECONDS
        seen["refused" if problems else "valid"] += 1
        assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)

    check()
    assert seen["refused"], seen


def test_deviations_that_include_themselves_are_refused(tmp_path):
    """A circle of included deviation files is refused with its place."""
    folder = tmp_path / "deviations"
    folder.mkdir()
    for name, included in (("a", "b"), ("b", "a")):
        (folder / f"{name}.yaml").write_text(f"include: [{included}]\n")
    (folder / "none.yaml").write_text("deviations: []\n")
    (told,) = check_files([folder / "a.yaml"]).problems
    assert str(told).endswith("b.yaml:1:11: a includes itself; remove it (docs/deviations.md)")
    assert not check_files([folder / "none.yaml"]).problems
