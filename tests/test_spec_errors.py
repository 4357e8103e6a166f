"""Mistakes in a spec are reported with place and remedy, all of a file at once."""

from __future__ import annotations

import time

import pytest

from embcheck.conformance.suite.load import load_clauses, load_spec
from embcheck.conformance.suite.problems import SpecError

GOOD = """\
behaviour: An index picks the row of that number.
operation: embedding
arrays:
  table: {dtype: float32, values: [[1, 2], [3, 4]]}
cases:
- id: first
  clauses: [EMB-LOOK-01]
  inputs:
    weight: table
    indices: {dtype: int64, values: [1, 0]}
  expect:
    output: [[3, 4], [1, 2]]
"""


def problems(tmp_path, text):
    """Return the problems of a spec's text, as `line:column: what; remedy`."""
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_the_good_spec_is_good(tmp_path):
    """The text in which mistakes are planted is valid."""
    path = tmp_path / "spec.yaml"
    path.write_text(GOOD)
    (case,) = load_spec(path).cases
    assert case.id == f"{tmp_path.name}/spec/first"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("operation: embedding", "operatoin: embedding", "2:1: unknown key 'operatoin'; use one"),
        ("operation: embedding", "operation: embeding", "2:12: operation: 'embeding' is not known"),
        ("  expect:", "  expects:", "11:3: unknown key 'expects'"),
        ("    output:", "    outptu:", "12:5: "),
        ("EMB-LOOK-01", "EMB-LOOK-99", "7:13: there is no clause 'EMB-LOOK-99'; add it"),
        ("[[1, 2], [3, 4]]", "[[1, 2], [3]]", "4:10: the rows of a literal have different"),
        ("dtype: float32", "dtype: float23", "4:10: there is no dtype 'float23'; use one of"),
        ("[[3, 4], [1, 2]]", "[[3, 4]]", "12:13: output is expected in shape [1, 2], but"),
        ("weight: table", "weight: tabel", "9:13: there is no array 'tabel'; define it"),
        ("weight: table", "wieght: table", "9:5: unknown key 'wieght'"),
        ("values: [1, 0]", "values: [1.5, 0]", "10:14: a literal of dtype int64 holds fractions"),
        ("values: [1, 0]", "values: [one, 0]", "10:14: a literal holds text"),
        ("dtype: int64, v", "dtype: int8, shape: [3], v", "10:14: the literal has shape [2], but"),
        ("values: [1, 0]", "values: [300, 0], dtype: uint8", "10:"),
        ("id: first", "id: First Case", "6:7: "),
        ("[1, 0]}", "[1, 0], layout: sideways}", "10:14: there is no layout 'sideways'; use one"),
        ("[1, 0]}", "[1, 0], layout: expanded}", "10:14: an expanded literal has unequal rows"),
        ("clauses: [EMB-LOOK-01]", "clauses: []", "7:12: "),
        ("  clauses: [EMB-LOOK-01]\n", "", "6:3: cases.0 lacks 'clauses'; add 'clauses'"),
        ("table: {dtype: float32", "table: {dtype: $dtype", "9:13: '$dtype' is not a variable"),
        ("cases:\n", "cases:\n  - [\n", "7:"),
        ("output:", "output: [[1, 2], [3, 4]]\n    output:", "13:5: the key 'output' stands twice"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_place(tmp_path, old, new, told):
    """A mistake is reported with line and column, what is wrong, and what to do."""
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(problem.startswith(told) for problem in found), found
    assert all("; " in problem for problem in found)


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path):
    """All mistakes of a file are reported at once."""
    second = GOOD[GOOD.index("- id") :].replace("[1, 0]", "[[1, 0], [1]]").replace("01]", "77]")
    found = problems(tmp_path, GOOD + second)
    assert len(found) == 3
    assert "case id 'first' stands twice" in found[0]


def test_a_control_must_differ_from_what_it_controls(tmp_path):
    """A control that equals the rejected call is refused."""
    same = GOOD[: GOOD.index("  expect:")] + (
        "  rejects:\n    control:\n      expect: {output: [[3, 4], [1, 2]]}\n"
    )
    assert "13:7: the control is the rejected call itself" in problems(tmp_path, same)[0]


def test_a_case_is_a_return_or_a_rejection(tmp_path):
    """A case without an expectation, or with two, is refused."""
    neither = GOOD[: GOOD.index("  expect:")]
    assert "exactly one of 'expect', 'rejects', 'observe'" in problems(tmp_path, neither)[0]
    both = GOOD + "  observe: [output]\n"
    assert "exactly one of 'expect', 'rejects', 'observe'" in problems(tmp_path, both)[0]


OBSERVED = """\
behaviour: An undefined call is observed.
operation: embedding
cases:
- id: bad
  clauses: [EMB-NORM-10]
  matrix:
  - {dtype: [int32], place: [far]}
  - {dtype: [int64], place: [far, farther]}
  inputs:
    weight: {dtype: float32, values: [[1, 2], [3, 4]]}
    indices: {dtype: $dtype, values: [{$place: {far: 5, farther: 7}}]}
  observe: [output]
  readings: {$place: {far: {ones: {output: [[1, 1]]}}, farther: {twos: {output: [[2, 2]]}}}}
  pytorch: {$place: {far: raises, farther: {$dtype: {int64: twos}}}}
"""


def test_several_matrices_leave_combinations_out(tmp_path):
    """A list of matrices gives the cases of each, with their own readings."""
    path = tmp_path / "spec.yaml"
    path.write_text(OBSERVED)
    found = [(case.id.partition("[")[2], case.expectation) for case in load_spec(path).cases]
    assert [(name, list(e.readings), e.pytorch) for name, e in found] == [
        ("dtype=int32,place=far]", ["ones"], "raises"),
        ("dtype=int64,place=far]", ["ones"], "raises"),
        ("dtype=int64,place=farther]", ["twos"], "twos"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[int32]", "[int64]", "7:3: the matrix gives [dtype=int64,place=far] twice; remove"),
        ("place: [far]", "place: far", "7:29: cases.0.matrix.0.place is not"),
        ("far: raises", "far: 3", "14:27: "),
        ("ones: {", "raises: {", "13:28: "),
        ("ones: {output", "ones: {outptu", "13:"),
        ("far: {ones", "fa: {ones", "13:22: no choice for place = far; add `far:`"),
    ],
)
def test_mistakes_of_observed_cases_have_their_place(tmp_path, old, new, told):
    """Repeated combinations and invalid readings are reported with their place."""
    assert old in OBSERVED
    found = problems(tmp_path, OBSERVED.replace(old, new, 1))
    assert any(problem.startswith(told) for problem in found), found


def test_yaml_1_2_is_meant(tmp_path):
    """Specs are YAML 1.2: 1e-5 is a number, and `no` is a word."""
    path = tmp_path / "spec.yaml"
    path.write_text(
        GOOD.replace("[[1, 2], [3, 4]]", "[[1e-5, 2], [3, 4]]")
        .replace("[3, 4], [1, 2]", "[3, 4], [1e-5, 2]")
        .replace("id: first", "id: no")
    )
    (case,) = load_spec(path).cases
    assert case.id.endswith("/no")
    assert case.spec.inputs["weight"].array()[0, 0] == pytest.approx(1e-5)


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "expands to more than 200,000 values"),
        ("x: " + "[" * 100_000, "nested too deeply"),
        ("x: " + "[" * 100 + "]" * 100, "nested too deeply"),
        ("- just\n- a list\n", "the top level is not a mapping"),
        ("", "the top level is not a mapping"),
        ("a: *nowhere\n", "1:4: no finished value is named '&nowhere'"),
        ("a: &a [*a]\n", "1:8: no finished value is named '&a'"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document begins"),
        ("a: !!python/object/apply:os.system [echo]\n", ""),
        ("a: 1\n? [b, c]\n: 2\n", "a key is not a scalar"),
    ],
)
def test_hostile_yaml_is_refused_quickly(tmp_path, text, told):
    """Alias bombs, deep nesting and similar YAML are refused within seconds."""
    started = time.monotonic()
    assert told in problems(tmp_path, text)[0]
    assert time.monotonic() - started < 20


def test_a_huge_file_is_refused_unread(tmp_path):
    """A file of 100 MB is refused by its size."""
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(SpecError, match=r"104,857,600 bytes, the limit is 524,288; split it"):
        load_spec(path)


def test_binary_is_no_spec(tmp_path):
    """Bytes that are not UTF-8 are refused."""
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SpecError, match="is not UTF-8"):
        load_spec(path)


def test_clause_ids_are_unique(tmp_path):
    """A clause id that occurs twice is refused with its place."""
    entry = (
        "- id: EMB-LOOK-01\n  level: documented\n  statement: s\n"
        "  object: o\n  parameter: p\n  source: s\n"
    )
    path = tmp_path / "clauses.yaml"
    path.write_text("clauses:\n" + entry * 2)
    with pytest.raises(SpecError, match=r"clauses.yaml:8:7: clause 'EMB-LOOK-01' stands twice"):
        load_clauses([path])


LEVELS = """\
behaviour: A level is stored as it is.
operation: quantized_embedding
cases:
- id: levels
  clauses: [QNT-STORE-10]
  inputs:
    weight:
      levels: {scheme: uint4-block32, codes: [[0, 15, 3]], scales: [[0.5]], offsets: [[4]]}
      dtype: float32
    indices: {dtype: int64, values: [0]}
  options: {scheme: uint4-block32}
  expect:
    output: [[4.0, 11.5, 5.5]]
"""


def test_codes_and_scales_give_levels(tmp_path):
    """A table given as codes has the levels offset + number * scale."""
    path = tmp_path / "spec.yaml"
    path.write_text(LEVELS)
    (case,) = load_spec(path).cases
    assert case.spec.call().inputs["weight"].tolist() == [[4.0, 11.5, 5.5]]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{scheme: uint4-block32, c", "{scheme: u5, c", "there is no scheme 'u5'; use one of"),
        ("[[0, 15, 3]]", "[[0, 16, 3]]", "a code of uint4-block32 is below 0 or above 15; count"),
        ("[[0, 15, 3]]", "[0, 15, 3]", "codes have 1 dimensions; write a list of rows"),
        ("[[0, 15, 3]]", "[[0, 1.5]]", "a literal of dtype int64 holds fractions"),
        ("[[0, 15, 3]]", "{values: [[0.0]], dtype: float32}", "codes of float32 are not whole"),
        ("[[0, 15, 3]]", "{generator: full, value: 0, shape: [1000, 1001]}", "more than 1,000,000"),
        ("[[0.5]]", "[0.5]", "`scales` has shape [1], but uint4-block32 needs [1, 1]; give one"),
        ("[[0.5]]", "[[0.1]]", "`scales` holds a number that is not exact in float32"),
        ("[[4]]", "[[16777217]]", "`offsets` holds a number that is not exact in float32"),
        ("[[4]]", "[[16777216]]", "the level 16777223.5 is not exact in float32; choose scales"),
        ("[[0, 15, 3]]", "[[0, 14, 3]]", "uint4-block32 gives group 0 another scale or offset"),
        ("codes: [[0, 15, 3]], ", "", "cases.0.inputs.weight.levels lacks 'codes'; add 'codes'"),
        ("offsets:", "biases:", "unknown key 'biases'; use one of"),
    ],
)  # fmt: skip
def test_mistakes_in_levels_have_their_place(tmp_path, old, new, told):
    """Mistakes in codes, scales and offsets are reported, and levels that storing would change."""
    assert old in LEVELS
    (found,) = problems(tmp_path, LEVELS.replace(old, new, 1))
    place, _, said = found.partition(": ")
    assert place.split(":")[0] in ("7", "8"), found
    assert said.startswith(told), found
