"""A static site of many runs is stable, reproducible and safe, whatever the records contain."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from importlib.resources import files
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from embcheck.cli.main import main
from embcheck.conformance.records.lines import (
    CaseLine,
    ClauseLine,
    KnownDeviation,
    ResultLine,
    RunFooter,
    RunHeader,
    to_json_data,
)
from embcheck.reports.site.names import file_name
from embcheck.reports.site.written import MANIFEST

KNOWN = KnownDeviation("bug", "wrong-value", "It is <wrong>.", link="https://example.org/1")
SPARSE = {"operation": "embedding", "inputs": {}, "options": {"sparse": True}, "observe": []}


@pytest.fixture(autouse=True)
def _no_suite(monkeypatch):
    """Replace loading the shipped suite, which takes seconds and which no record here uses."""
    monkeypatch.setattr("embcheck.reports.answers.compat_made.suite_cases", tuple)


def record(folder, *, backend="b", version="1.0", day="2026-01-01", suite="s", **more):
    """Write a record of two cases of one backend; return its folder.

    `outcomes` are those of the cases, and `fingerprint` is that of both. `ended` and `selection`
    are those of the run, and `info` adds to the backend's.
    """
    outcomes = more.get("outcomes", ("passed", "passed"))
    info = {"id": backend, "library": "lib", "version": version, "device": "cpu"}
    header = RunHeader(
        "conformance", f"{day}T00:00:00", more.get("embcheck", "0.1"), suite, {},
        (info | more.get("info", {}),), 2, {"selection": more.get("selection", "")},
    )  # fmt: skip
    clauses = ("EMB-LOOK-01", "EMB-SPARSE-09")
    cases = [
        CaseLine(
            f"embedding/own/{clause.lower()}", "", "", (clause,), "documented", "",
            {} if clause == clauses[0] else SPARSE, {}, fingerprint=more.get("fingerprint", "f"),
        )
        for clause in clauses
    ]  # fmt: skip
    results = [
        ResultLine(
            case.case, case.clauses, case.level, backend, outcome,
            "wrong-value" if outcome in ("failed", "deviated") else None, "", 0.0,
            silent=True if outcome in ("failed", "deviated") else None,
            deviation=KNOWN if outcome == "deviated" else None,
        )
        for case, outcome in zip(cases, outcomes, strict=True)
    ]  # fmt: skip
    lines = [header, *(ClauseLine(name, "documented", "", "", "", "") for name in clauses)]
    lines += [*cases, *results]
    if more.get("ended", True):
        counts = {outcome: outcomes.count(outcome) for outcome in outcomes}
        lines.append(RunFooter(f"{day}T00:01:00", 60.0, 0, counts))
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(to_json_data(line)) + "\n" for line in lines)
    (folder / "results.jsonl").write_text(text, "utf-8")
    return folder


def make(out, *runs):
    """Run `embcheck site`; return the result."""
    return CliRunner().invoke(main, ["site", *map(str, runs), "--out", str(out)])


def contents(folder):
    """Return the bytes of all files below a folder, by name."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


class Links(HTMLParser):
    """A parser that collects a page's links, anchors, and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.anchors.add(told.get("id"))
        if tag == "a":
            self.links.append(told["href"])
        self.loads += [value for name, value in attrs if name in ("src", "srcset", "data")]
        self.loads += [told["href"]] if tag == "link" else []


@pytest.fixture
def two_versions(tmp_path):
    """Return the folders of records of two versions of one backend, and one of another backend."""
    return [
        record(tmp_path / "new", version="0.10", day="2026-01-03", outcomes=("passed", "deviated")),
        record(tmp_path / "old", version="0.9"),
        record(tmp_path / "other", backend="other", day="2026-01-02", outcomes=("passed",) * 2),
    ]


def test_a_site_has_a_page_for_each_backend_feature_and_run(tmp_path, two_versions):
    """All links of a site lead to existing files and anchors, and pages load nothing."""
    result = make(tmp_path / "out", *two_versions)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        0, f"3 records, 2 backends: {tmp_path / 'out' / 'index.html'}"
    )  # fmt: skip
    found = contents(tmp_path / "out")
    assert {"backends/b.html", "badges/b.json", "features/lookup.html", "index.json"} <= {*found}
    assert len([name for name in found if name.startswith("runs/")]) == 3
    for name, text in found.items():
        if name.startswith("runs/") or not name.endswith(".html"):
            continue
        page = Links(text.decode())
        assert page.loads == ["data:,"]
        for link in page.links:
            path, _, anchor = unquote(link).partition("#")
            if path.startswith("http"):
                assert path == "https://example.org/1"
                continue
            file = (tmp_path / "out" / name).parent / path if path else tmp_path / "out" / name
            assert file.resolve().is_relative_to(tmp_path / "out")
            assert file.is_file()
            assert not anchor or anchor in page.anchors
    schema = json.loads(files("embcheck.reports").joinpath("compat.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(found["compat.json"]))
    told = json.loads(found["index.json"])["backends"]["b"]
    assert (told["version"], told["scores"]["silent"]) == ("0.10", 1)
    assert [point["version"] for point in told["points"]] == ["0.9", "0.10"]


def test_what_changed_is_told_with_what_differs(tmp_path, two_versions):
    """A backend's page shows changed answers with what differs between the runs."""
    make(tmp_path / "out", *two_versions)
    page = (tmp_path / "out" / "backends" / "b.html").read_text("utf-8")
    plain = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert "What differs: the library: lib 0.9 to 0.10" in plain
    assert "sparse.sgd : yes to no, silently : wrong values" in plain
    assert "It is &lt;wrong&gt;." in plain
    data = json.loads((tmp_path / "out" / "compat.json").read_text("utf-8"))
    assert data["backends"]["b"]["versions"]["run"] == ["0.9", "0.10"]


@pytest.mark.parametrize(
    ("more", "said", "is_compared"),
    [
        ({"suite": "t"}, "the suite: s to t", True),
        ({"suite": "t", "fingerprint": "g"}, "2 features were decided by other cases", False),
        ({"embcheck": "0.2"}, "embcheck, with its adapters: 0.1 to 0.2", True),
        ({"info": {"capabilities": ["x"]}}, "where it ran: another capabilities", True),
        ({}, "show no difference that explains it", True),
    ],
)
def test_only_what_the_same_cases_decide_is_compared(tmp_path, more, said, is_compared):
    """Answers are compared only if the same cases decided them; other differences are named."""
    failed = {"day": "2026-01-02", "outcomes": ("passed", "failed"), **more}
    make(tmp_path / "out", record(tmp_path / "a"), record(tmp_path / "b", **failed))
    page = (tmp_path / "out" / "backends" / "b.html").read_text("utf-8")
    plain = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert said in plain
    assert ("sparse.sgd : yes to no, silently" in plain) is is_compared


def test_the_same_records_give_the_same_bytes(tmp_path, two_versions):
    """The same records give the same bytes, in any order, place and number of copies."""
    make(tmp_path / "one", *two_versions)
    moved = shutil.copytree(tmp_path / "new", tmp_path / "moved" / "x")
    result = make(tmp_path / "two", moved, *reversed(two_versions), moved.parent)
    assert (result.exit_code, result.output.count("is a copy of")) == (0, 2)
    first = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == first
    assert make(tmp_path / "one", *two_versions).exit_code == 0
    assert contents(tmp_path / "one") == first


def test_a_part_replaces_no_answer_of_the_whole_suite(tmp_path):
    """A partial run replaces no answer of the whole suite, and is marked as partial."""
    whole = record(tmp_path / "a", outcomes=("passed", "failed"))
    quick = {"day": "2026-01-02", "version": "2.0", "selection": "one case of each clause"}
    make(tmp_path / "out", whole, record(tmp_path / "b", **quick))
    told = json.loads((tmp_path / "out" / "index.json").read_text("utf-8"))["backends"]["b"]
    assert (told["version"], told["part"]) == ("1.0", "")
    assert [point["part"] for point in told["points"]] == ["", "one case of each clause"]
    assert "only one case of each clause" in (tmp_path / "out" / "backends/b.html").read_text()


def test_an_older_version_that_is_run_later_is_not_what_is_shown(tmp_path):
    """The answers shown are those of the newest version, not of the latest run."""
    old = record(tmp_path / "a", version="0.9", day="2026-02-02")
    make(tmp_path / "out", old, record(tmp_path / "b", version="0.10"))
    told = json.loads((tmp_path / "out" / "index.json").read_text("utf-8"))["backends"]["b"]
    assert (told["version"], told["day"]) == ("0.10", "2026-01-01")


def test_what_cannot_be_used_is_named_and_left_out(tmp_path):
    """Broken, partial and missing records are named and left out."""
    good = record(tmp_path / "good")
    broken = record(tmp_path / "broken")
    (broken / "results.jsonl").write_text("{\x1b[31m", "utf-8")
    partial = record(tmp_path / "partial", backend="p", ended=False)
    (tmp_path / "empty").mkdir()
    result = make(tmp_path / "out", good, broken, partial, tmp_path / "empty", tmp_path / "none")
    assert result.exit_code == 2
    lines = [line for line in result.output.splitlines() if line.startswith("left out: ")]
    assert [line.split(": ")[1].rpartition("/")[0].rpartition("/")[2] for line in lines].count(
        "partial"
    ) == 1
    assert len(lines) == 4
    assert "\x1b" not in result.output
    assert "Traceback" not in result.output
    assert {name for name in contents(tmp_path / "out") if name.startswith("backends")} == {
        "backends/b.html"
    }
    nothing = make(tmp_path / "not", broken)
    assert (nothing.exit_code, (tmp_path / "not").exists()) == (2, False)
    assert "no run is left" in nothing.output


def test_a_run_in_two_files_counts_once(tmp_path):
    """A run that is in two records counts once."""
    one, two = record(tmp_path / "one"), record(tmp_path / "two", backend="c", day="2026-01-02")
    both = tmp_path / "both" / "results.jsonl"
    both.parent.mkdir()
    texts = [(folder / "results.jsonl").read_text("utf-8") for folder in (one, two)]
    both.write_text("".join(texts), "utf-8")
    result = make(tmp_path / "out", one, both)
    assert result.exit_code == 0
    assert re.search("left out: .*: is in .* too", result.output)
    told = json.loads((tmp_path / "out" / "index.json").read_text("utf-8"))["backends"]
    assert {name: len(backend["points"]) for name, backend in told.items()} == {"b": 1, "c": 1}


HOSTILE = (
    "../../x",
    "/etc/x",
    "a/b",
    "<script>alert(1)</script>",
    "",
    "B",
    "con",
    "\u202eb",
    "x" * 300,
)


def test_no_name_leads_out_of_the_folder_or_becomes_markup(tmp_path):
    """Hostile names lead to no file outside the folder, and to no markup."""
    runs = [
        record(tmp_path / str(number), backend=name, info={"library": "<b>lib</b>"})
        for number, name in enumerate(HOSTILE)
    ]
    before = {*contents(tmp_path)}
    result = make(tmp_path / "out", *runs)
    assert result.exit_code == 0, result.output
    made = contents(tmp_path / "out")
    assert {*contents(tmp_path)} - before == {f"out/{name}" for name in made}
    assert len([name for name in made if name.startswith("backends/")]) == len(HOSTILE)
    for name, text in made.items():
        if name.endswith(".html") and not name.startswith("runs/"):
            assert b"<script" not in text
            assert b"<b>lib" not in text
            assert "\u202e".encode() not in text


def test_two_names_never_share_a_file():
    """Different names have different files, also if the file system ignores case."""
    assert [file_name(name) for name in ("jax-take", "torch-eager@cuda")] == [
        "jax-take", "torch-eager@cuda"
    ]  # fmt: skip
    found = {file_name(name).casefold() for name in (*HOSTILE, "b", "a-b", "a--b", "A/B")}
    assert len(found) == len(HOSTILE) + 4
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_@.+-]{0,99}", name) for name in found)


def test_files_of_others_stay_and_files_of_sites_are_renewed(tmp_path):
    """Foreign files and pages of earlier backends stay; the site's own pages are replaced."""
    out = tmp_path / "out"
    make(out, record(tmp_path / "a"), record(tmp_path / "b", backend="gone"))
    (out / "CNAME").write_text("example.org")
    (out / "index.html").write_text("edited")
    result = make(out, tmp_path / "a")
    assert result.exit_code == 0
    assert "3 files of earlier sites stay as they are" in result.output
    assert (out / "CNAME").read_text() == "example.org"
    assert (out / "index.html").read_text("utf-8") != "edited"
    assert (out / "backends" / "gone.html").exists()


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_no_site_wrote_is_never_replaced(tmp_path, kind):
    """An index that no site wrote, and links that lead elsewhere, are refused."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    if kind == "file":
        (out / "index.html").write_text("mine")
    elif kind == "link":
        (out / "index.html").symlink_to(elsewhere / "gone")
    else:
        (out / "backends").symlink_to(elsewhere)
    (out / MANIFEST).write_text('{"files": ["../elsewhere/x", 3]}')
    result = make(out, record(tmp_path / "a"))
    assert result.exit_code == 2
    assert ("no site wrote it" in result.output) or ("leads out of" in result.output)
    assert [*elsewhere.iterdir()] == []
    if kind == "file":
        assert (out / "index.html").read_text() == "mine"
    assert not (out / "compat.json").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    """A folder that cannot be written is reported with exit code 2."""
    (tmp_path / "file").write_text("x")
    result = make(tmp_path / "file" / "out", record(tmp_path / "a"))
    assert (result.exit_code, "cannot write" in result.output) == (2, True)
