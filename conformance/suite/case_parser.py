"""One case of a spec file, checked, as one Case for each combination of its matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.suite import expectations
from embcheck.conformance.suite.arrays import ArraySource, ArraySpecError, parse_array
from embcheck.conformance.suite.matrix import UnknownVariable, combinations, substitute, suffix
from embcheck.conformance.suite.model import (
    CallSpec,
    Case,
    Clause,
    Expectation,
    Expected,
    Observes,
    Rejects,
    Returns,
    Tolerance,
)
from embcheck.conformance.suite.problems import Problem
from embcheck.conformance.suite.source import Map, mark_of


class CaseParser:
    """Turns the tree of a spec file, already valid by its schema, into cases.

    What is wrong goes to `problems`, with its place; parsing goes on with the next case.
    """

    def __init__(self, file: str, prefix: str, clauses: Mapping[str, Clause], tree: Map) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._prefix = prefix
        self._clauses = clauses
        self._tree = tree
        self._used_arrays: set[str] = set()

    def cases(self) -> tuple[Case, ...]:
        """Parse all cases of the file."""
        parsed: list[Case] = []
        seen: set[str] = set()
        for entry in self._tree["cases"]:
            if entry["id"] in seen:
                self._complain(
                    entry, "id", f"case id '{entry['id']}' stands twice", "choose another id"
                )
            seen.add(entry["id"])
            for parameters in self._combinations(entry):
                case = self._case(entry, parameters)
                if case is not None:
                    parsed.append(case)
        for name in self._tree.get("arrays", {}):
            if name not in self._used_arrays and not self.problems:
                self._complain(
                    self._tree["arrays"], name, f"array '{name}' is not used", "remove it"
                )
        return tuple(parsed)

    def _combinations(self, entry: Map) -> list[dict[str, Any]]:
        found = list(combinations(entry.get("matrix", {})))
        for ending, count in Counter(map(suffix, found)).items():
            if count > 1:
                self._complain(
                    entry, "matrix", f"the matrix gives {ending} twice", "remove one of them"
                )
        return found

    def _complain(self, owner: Any, key: Any, what: str, remedy: str) -> None:
        self.problems.append(Problem(self._file, *mark_of(owner, [key]), what, remedy))

    def _case(self, entry: Map, parameters: dict[str, Any]) -> Case | None:
        before = len(self.problems)
        try:
            tree = substitute(entry, parameters)
        except UnknownVariable as error:
            self._complain(error.owner, error.key, str(error), error.remedy)
            return None
        clauses = self._resolve_clauses(tree)
        self._check_torch_only(tree, clauses)
        spec = self._call(
            tree, tree["inputs"], tree.get("options", {}), _observed(tree), parameters
        )
        expectation = self._expectation(tree, spec, parameters) if spec else None
        if spec is None or expectation is None or len(self.problems) > before:
            return None
        return Case(
            id=f"{self._prefix}/{tree['id']}{suffix(parameters)}",
            title=tree.get("title", self._tree["behaviour"]),
            clauses=clauses,
            spec=spec,
            expectation=expectation,
            where=f"{self._file}:{entry.mark[0]}",
            parameters=parameters,
            tolerance=Tolerance(**tree["tolerance"]) if "tolerance" in tree else None,
        )

    def _resolve_clauses(self, tree: Map) -> tuple[Clause, ...]:
        for position, name in enumerate(tree["clauses"]):
            if name not in self._clauses:
                self._complain(
                    tree["clauses"],
                    position,
                    f"there is no clause '{name}'",
                    "add it to a file in clauses/, or correct the id",
                )
        return tuple(self._clauses[name] for name in tree["clauses"] if name in self._clauses)

    def _check_torch_only(self, tree: Map, clauses: tuple[Clause, ...]) -> None:
        is_probe = tree.get("operation", self._tree.get("operation")) == Operation.PROBE
        for position, clause in enumerate(clauses):
            if clause.torch_only != is_probe:
                what = "is for probes only" if clause.torch_only else "is not for probes"
                self._complain(
                    tree["clauses"],
                    position,
                    f"clause '{clause.id}' {what}",
                    "correct the operation, or `torch_only` of the clause",
                )

    def _call(
        self,
        tree: Map,
        inputs: Mapping[str, Any],
        options: Mapping[str, Any],
        observe: tuple[str, ...],
        parameters: Mapping[str, Any],
    ) -> CallSpec | None:
        operation = tree.get("operation", self._tree.get("operation"))
        if operation is None:
            self._complain(tree, "id", "the case has no operation", "add `operation:`")
            return None
        arrays = {}
        for name in inputs:
            source = self._array(inputs, name, parameters)
            if source is None:
                return None
            arrays[name] = source
        if "indices" not in arrays and operation != Operation.PROBE:
            self._complain(tree, "inputs", "the case has no indices", "add `indices:`")
            return None
        return CallSpec(Operation(operation), arrays, dict(options), observe)

    def _array(
        self, inputs: Mapping[str, Any], name: str, parameters: Mapping[str, Any]
    ) -> ArraySource | None:
        spec, owner, key = inputs[name], inputs, name
        if isinstance(spec, str):
            shared = self._tree.get("arrays", {})
            if spec not in shared:
                self._complain(
                    inputs, name, f"there is no array '{spec}'", "define it under `arrays:`"
                )
                return None
            self._used_arrays.add(spec)
            owner, key = shared, spec
            try:
                spec = substitute(shared[spec], parameters)
            except UnknownVariable as error:
                self._complain(inputs, name, str(error), error.remedy)
                return None
        try:
            return parse_array(spec)
        except ArraySpecError as error:
            self._complain(owner, key, str(error), error.remedy)
            return None

    def _expectation(
        self, tree: Map, spec: CallSpec, parameters: Mapping[str, Any]
    ) -> Expectation | None:
        if "observe" in tree:
            readings = tree.get("readings", {})
            parsed = {name: self._returns(readings[name], spec) for name in readings}
            return Observes(parsed, tree.get("pytorch"))
        if "expect" in tree:
            return self._returns(tree["expect"], spec)
        control = tree["rejects"]["control"]
        inputs = _with_changes(tree["inputs"], control.get("inputs"))
        options = {**tree.get("options", {}), **control.get("options", {})}
        if not ({"inputs", "options"} & set(control)) and "observe" not in tree["rejects"]:
            self._complain(
                tree["rejects"],
                "control",
                "the control is the rejected call itself",
                "state the smallest change that makes the call valid",
            )
        control_spec = self._call(tree, inputs, options, tuple(control["expect"]), parameters)
        if control_spec is None:
            return None
        return Rejects(control_spec, self._returns(control["expect"], control_spec))

    def _returns(self, expect: Map, spec: CallSpec) -> Returns:
        observations: dict[str, Expected] = {}
        for name in expect:
            try:
                observations[name] = expectations.parse(name, expect[name], spec)
            except ArraySpecError as error:
                self._complain(expect, name, str(error), error.remedy)
        return Returns(observations)


def _with_changes(inputs: Map, changes: Map | None) -> Map:
    """Return the inputs with some of them changed, or taken away where the change is null."""
    merged = Map(inputs.mark)
    for source in (inputs, changes or Map(inputs.mark)):
        merged.update(source)
        merged.value_marks.update(source.value_marks)
    for name, change in (changes or {}).items():
        if change is None:
            del merged[name]
    return merged


def _observed(tree: Map) -> tuple[str, ...]:
    if "expect" in tree:
        return tuple(tree["expect"])
    return tuple(tree.get("observe", tree.get("rejects", {}).get("observe", ("output",))))
