"""Without a terminal, progress is one line every ten seconds on standard error."""

from __future__ import annotations

import io

import pytest
from click.testing import CliRunner
from commands import SMALL
from rich.console import Console

from embcheck.cli import progress
from embcheck.cli.main import main
from embcheck.cli.progress import Progressed


class Script:
    """A simulated clock and end of a command: each wait takes its time and does the next step."""

    def __init__(self, *steps):
        self.seconds = 100.0
        self.steps = list(steps)

    def __call__(self):
        return self.seconds

    def wait(self, timeout):
        self.seconds += timeout
        if not self.steps:
            return True
        self.steps.pop(0)()
        return False

    def set(self):
        self.steps = []


def lines_of(total, *steps):
    """Return the progress lines of a command whose steps take ten seconds each."""
    out = io.StringIO()
    shown = None
    script = Script(*(lambda step=step: step(shown) for step in steps))
    console = Console(file=out, width=80)
    shown = Progressed("results", total, console=console, clock=script, ended=script)
    shown.print_lines()
    return out.getvalue().splitlines()


def test_a_line_in_ten_seconds_says_how_far_it_is():
    """Each line has the time, the results so far, and what is worked on."""
    assert lines_of(
        None,
        lambda _: None,
        lambda shown: shown.tell(doing="reading the specs"),
        lambda shown: shown.tell(1200, "torch-eager at embedding_bag/modes/sum[n=1]", 2980),
        lambda _: None,
        lambda shown: shown.advance(),
    ) == [
        "  10 s: starting",
        "  20 s: reading the specs",
        "  30 s: 1,200 of 2,980 results, torch-eager at embedding_bag/modes/sum[n=1]",
        "  40 s: 1,200 of 2,980 results, torch-eager at embedding_bag/modes/sum[n=1]",
        "  50 s: 1,201 of 2,980 results, torch-eager at embedding_bag/modes/sum[n=1]",
    ]


def test_before_the_first_ten_seconds_nothing_is_said():
    """A command of less than ten seconds prints no progress."""
    assert lines_of(5) == []


def test_what_is_worked_on_can_do_nothing_to_the_terminal():
    """Hostile case ids in a progress line are escaped and shortened."""
    (line,) = lines_of(5, lambda shown: shown.tell(1, "a\x1b[2J\nb\u202e" + "x" * 500))
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert line.startswith("  10 s: 1 of 5 results, a\\x1b[2J b")
    assert len(line) <= 160


def test_a_terminal_has_a_bar_and_no_lines():
    """On a terminal there is a bar and no lines."""
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    script = Script(lambda: None)
    with Progressed("results", 5, title="conformance", console=console, ended=script) as shown:
        shown.tell(2, "torch-eager at x")
    assert "conformance" in out.getvalue()
    assert " s: " not in out.getvalue()


def test_what_is_printed_beside_a_bar_goes_where_it_belongs(capsys):
    """Output printed within `aside` goes to standard output rather than to the bar's stream."""
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    with Progressed("checks", console=console) as shown:
        with shown.aside():
            print("PASS starts")
        shown.tell(doing="thunk")
    assert capsys.readouterr().out == "PASS starts\n"
    assert "PASS" not in out.getvalue()
    assert "thunk" in out.getvalue()


COMMANDS = {
    "check": ("check",),  # One spec alone could be checked before a line is due.
    "run": ("run", "-b", "numpy-reference", "--specs", SMALL),
    "fuzz": ("fuzz", "-b", "numpy-reference", "--examples", "3"),
}


@pytest.mark.parametrize("command", ["check", "run", "fuzz"])
def test_commands_show_progress_on_standard_error_alone(command, tmp_path, monkeypatch):
    """Progress appears on standard error only, not on standard output or in records."""
    monkeypatch.setattr(progress, "SECONDS", 0.001)
    words = [*map(str, COMMANDS[command])]
    out = [] if command == "check" else ["--out", str(tmp_path)]
    done = CliRunner().invoke(main, [*words, *out])
    assert done.exit_code == 0, done.output
    assert " s: " in done.stderr
    assert " s: " not in done.stdout
    for file in tmp_path.glob("*.json*"):
        assert " s: " not in file.read_text()
