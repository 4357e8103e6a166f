"""Parse and check the cases of a spec file: one Case for each combination of a matrix."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from embcheck.conformance.contract.call import TRAINING_OBSERVATIONS, Observation, Operation
from embcheck.conformance.suite import expectations
from embcheck.conformance.suite.array_parser import (
    MAX_ELEMENTS,
    MAX_LARGE_ELEMENTS,
    element_count,
    parse_array,
)
from embcheck.conformance.suite.arrays import DTYPES, ArraySource, GeneratedArray
from embcheck.conformance.suite.matrix import (
    Matrix,
    UnknownVariable,
    combinations,
    number_of,
    rung_label,
    rungs,
    substitute,
    suffix,
)
from embcheck.conformance.suite.model import (
    CallSpec,
    Case,
    Clause,
    Expectation,
    Expected,
    Observes,
    Rejects,
    Returns,
    SequenceStep,
    Steps,
    Structure,
    Tolerance,
)
from embcheck.conformance.suite.problems import ArraySpecError, Problem
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, mark_of

MAX_CASES = 10_000
"""The most cases that the matrix of one entry may give; the whole suite has a third of that."""
ABSENT = "absent"
"""The value that leaves out an option, an input or an expectation."""
_Part = tuple[str, Map, dict[str, Any]]
"""A step: its label; its inputs, options and expectation; the values of its variables."""
_NOT_AGAIN = frozenset({*TRAINING_OBSERVATIONS, Observation.WEIGHT_AFTER})
"""Observations of calls that change their weight, so that a second call has another weight."""


class CaseParser:
    """Turns the tree of a spec file, which is already valid by the schema, into cases.

    Mistakes are added to `problems`, with their place. Parsing then goes on with the next case.
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
            # A mistake does not end the parsing, so that all mistakes are reported at once.
            if entry["id"] in seen:
                self._complain(
                    entry, "id", f"case id '{entry['id']}' stands twice", "choose another id"
                )
            seen.add(entry["id"])
            # Ids are printed to terminals, where a control character could do harm.
            if not entry["id"].isprintable():
                self._complain(entry, "id", "a case id holds a control character", "remove it")
                continue
            for parameters in self._combinations(entry):
                case = self._case(entry, parameters)
                if case is not None:
                    parsed.append(case)
        # Not after a mistake: it is not known which arrays a case with a mistake uses.
        for name in self._tree.get("arrays", {}):
            if name not in self._used_arrays and not self.problems:
                self._complain(
                    self._tree["arrays"], name, f"array '{name}' is not used", "remove it"
                )
        return tuple(parsed)

    def _combinations(self, entry: Map) -> list[dict[str, Any]]:
        matrix = entry.get("matrix", {})
        count = number_of(matrix)
        if count > MAX_CASES:
            what = f"the matrix gives {count:,} cases, the limit is {MAX_CASES:,}"
            self._complain(entry, "matrix", what, "leave values out, or use a `ladder:`")
            return []
        found = list(combinations(matrix))
        if not all(map(str.isprintable, map(suffix, found))):
            what = "a value of the matrix holds a control character"
            self._complain(entry, "matrix", what, "remove it: values stand in case ids")
            return []
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
        ladder = self._ladder(entry, parameters)
        # What all steps share is parsed with the values of the first step.
        first = next(rungs(ladder), {}) if ladder else {}
        tree = self._substituted(_without(entry, "ladder"), {**parameters, **first})
        if tree is None or ladder is None or not self._fits(tree):
            return None
        clauses = self._resolve_clauses(tree)
        self._check_torch_only(tree, clauses)
        steps = self._steps(entry, tree, ladder, parameters)
        spec = steps[0].spec if steps else self._single_call(tree, parameters)
        expectation = Steps(steps) if steps else self._expectation(tree, spec, parameters)
        if spec is None or expectation is None or len(self.problems) > before:
            return None
        case = Case(
            id=f"{self._prefix}/{tree['id']}{suffix(parameters)}",
            title=tree.get("title", self._tree["behaviour"]),
            clauses=clauses,
            spec=spec,
            expectation=expectation,
            where=f"{self._file}:{entry.mark[0]}",
            parameters=parameters,
            tolerance=Tolerance(**tree["tolerance"]) if "tolerance" in tree else None,
            again=tree.get("again", False),
            large=tree.get("large", False),
        )
        self._check_marks(entry, case)
        return case

    def _ladder(self, entry: Map, parameters: Mapping[str, Any]) -> Matrix | None:
        """Return the ladder of a case, empty if it has none; None, and a problem, if it is bad."""
        ladder = self._substituted(entry.get("ladder", Map(entry.mark)), parameters)
        if ladder is None:
            return None
        if len({len(values) for values in ladder.values()}) > 1:
            what = "the lists of the ladder differ in length"
            self._complain(entry, "ladder", what, "make them equal")
            return None
        return ladder

    def _substituted(self, entry: Map, values: Mapping[str, Any]) -> Map | None:
        """Return a case with its variables replaced; None, and a problem, if one is unknown."""
        try:
            tree: Map = substitute(entry, values)
        except UnknownVariable as error:
            self._complain(error.owner, error.key, str(error), error.remedy)
            return None
        return tree

    def _fits(self, tree: Map) -> bool:
        """Check a case against the schema again, after its variables have been replaced."""
        found = problems_of(tree, self._file, "spec", "case")
        self.problems += found
        return not found

    def _single_call(self, tree: Map, parameters: Mapping[str, Any]) -> CallSpec | None:
        options = tree.get("options", {})
        return self._call(tree, tree["inputs"], options, _observed(tree), parameters)

    def _steps(
        self, entry: Map, tree: Map, ladder: Matrix, parameters: dict[str, Any]
    ) -> tuple[SequenceStep, ...]:
        """Parse a ladder or a sequence up to its first mistake; empty for a case of one call."""
        steps: list[SequenceStep] = []
        before = len(self.problems)
        rest = _without(entry, "ladder")
        parts = self._rungs(rest, ladder, parameters) if ladder else self._links(tree, parameters)
        for label, part, values in parts:
            spec = self._call(
                tree, part["inputs"], part.get("options", {}), _observed(part), values
            )
            if spec is not None:
                steps.append(SequenceStep(label, spec, self._returns(part["expect"], spec)))
            # Other steps would probably repeat the mistake.
            if len(self.problems) > before:
                break
        return tuple(steps)

    def _rungs(self, entry: Map, ladder: Matrix, parameters: dict[str, Any]) -> Iterator[_Part]:
        """Yield each call of a ladder."""
        for rung in rungs(ladder):
            values = {**parameters, **rung}
            part = self._substituted(entry, values)
            if part is None or not self._fits(part):
                return
            yield rung_label(rung), part, values

    def _links(self, tree: Map, parameters: dict[str, Any]) -> Iterator[_Part]:
        """Yield each call of a sequence."""
        for number, step in enumerate(tree.get("sequence", ()), 1):
            part = Map(step.mark)
            part["inputs"] = _with_changes(tree["inputs"], step.get("inputs"))
            part["options"] = {**tree.get("options", {}), **step.get("options", {})}
            part["expect"] = step.get("expect")
            if part["expect"] is None:
                self._complain(
                    tree["sequence"], number - 1, "a step has no expectation", "add `expect:`"
                )
                return
            yield f"in step {number}", part, parameters

    def _check_marks(self, entry: Map, case: Case) -> None:
        """Check that `again`, `large` and the tolerance fit the case."""
        if case.again and any(_NOT_AGAIN & set(call.observe) for call in case.calls):
            what = "the call changes its weight, so a second call would begin from another one"
            self._complain(entry, "again", what, "observe the output or gradients only")
        # The worker makes a large case from its recipe: the arrays do not fit into a message.
        made = [source for call in case.calls for source in call.inputs.values()]
        if case.large and not all(isinstance(source, GeneratedArray) for source in made):
            what = "an input of a large case is not made by a generator"
            self._complain(entry, "large", what, "give every input a `generator:`")
        if case.large and isinstance(case.expectation, Steps):
            what = "a large case has several calls"
            self._complain(entry, "large", what, "make it one call")
        returns = case.expectation.observations if isinstance(case.expectation, Returns) else {}
        if case.large and not all(isinstance(what, Structure) for what in returns.values()):
            what = "a large case states whole arrays"
            self._complain(entry, "large", what, "state `shape:` and some places `at:`")
        # An infinite tolerance would accept anything, and NaN nothing.
        stated = (case.tolerance.rtol, case.tolerance.atol) if case.tolerance else ()
        if not all(map(math.isfinite, stated)):
            what = "a tolerance is infinite or NaN"
            self._complain(entry, "tolerance", what, "write a finite number")

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
        most = MAX_LARGE_ELEMENTS if tree.get("large") else MAX_ELEMENTS
        arrays = {}
        for name in inputs:
            if inputs[name] == ABSENT:
                continue
            source = self._array(inputs, name, parameters, most)
            if source is None:
                return None
            arrays[name] = source
        if "indices" not in arrays and operation != Operation.PROBE:
            self._complain(tree, "inputs", "the case has no indices", "add `indices:`")
            return None
        # Options are left out instead of set to None, which is a value of some options.
        given = {name: value for name, value in options.items() if value != ABSENT}
        examples = tree.get("exported_for", {})
        for name, dtype in examples.items():
            if name not in arrays or dtype not in DTYPES:
                what = f"there is no input {name} of dtype {dtype}"
                self._complain(tree, "exported_for", what, "name an input, and a dtype")
        return CallSpec(Operation(operation), arrays, given, observe, dict(examples))

    def _array(
        self, inputs: Mapping[str, Any], name: str, parameters: Mapping[str, Any], most: int
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
            source = parse_array(spec)
        except ArraySpecError as error:
            self._complain(owner, key, str(error), error.remedy)
            return None
        if element_count(source) > most:
            remedy = "make the array smaller" + (
                "" if most > MAX_ELEMENTS else ", or the case `large`"
            )
            self._complain(owner, key, f"more than {most:,} elements", remedy)
            return None
        return source

    def _expectation(
        self, tree: Map, spec: CallSpec | None, parameters: Mapping[str, Any]
    ) -> Expectation | None:
        if spec is None or "sequence" in tree or "ladder" in tree:
            return None
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
            if expect[name] == ABSENT:
                continue
            try:
                observations[name] = expectations.parse(name, expect[name], spec)
            except ArraySpecError as error:
                self._complain(expect, name, str(error), error.remedy)
        return Returns(observations)


def _without(tree: Map, name: str) -> Map:
    """Return a mapping without one of its entries; the others keep their places."""
    rest = Map(tree.mark)
    rest.key_marks, rest.value_marks = tree.key_marks, tree.value_marks
    rest.update({key: value for key, value in tree.items() if key != name})
    return rest


def _with_changes(inputs: Map, changes: Map | None) -> Map:
    """Return the inputs with changes made to them; an input whose change is null is removed."""
    merged = Map(inputs.mark)
    for source in (inputs, changes or Map(inputs.mark)):
        # A problem with a change names the place of the change, not of the array that it replaces.
        merged.update(source)
        merged.value_marks.update(source.value_marks)
    for name, change in (changes or {}).items():
        if change is None:
            del merged[name]
    return merged


def _observed(tree: Map) -> tuple[str, ...]:
    if "expect" in tree:
        return tuple(name for name, expected in tree["expect"].items() if expected != ABSENT)
    return tuple(tree.get("observe", tree.get("rejects", {}).get("observe", ("output",))))
