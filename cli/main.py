"""The `embcheck` command; each subcommand is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from embcheck.cli.actions import INTERRUPTED
from embcheck.cli.faults import tell_fault, tell_lost_output
from embcheck.cli.streams import reader_is_gone, tolerant_streams
from embcheck.conformance.near import did_you_mean

COMMANDS = {
    "run": ("embcheck.cli.run", "Run the conformance suite on backends."),
    "bench": ("embcheck.cli.bench", "Time workloads on backends."),
    "timings": ("embcheck.cli.timings", "Show the timings of a run against any of its backends."),
    "fuzz": ("embcheck.cli.fuzz", "Look for departures in generated calls."),
    "backends": ("embcheck.cli.backends", "List the known backends, or why one is unavailable."),
    "new-backend": ("embcheck.cli.new_backend", "Write a new backend's distribution, to fill in."),
    "init": ("embcheck.cli.init", "Add a CI job that fails on what is new to your repository."),
    "check-backend": ("embcheck.cli.check_backend", "Check that an adapter is sound."),
    "check": ("embcheck.cli.check", "Validate spec files without running them."),
    "coverage": (
        "embcheck.cli.coverage",
        "Show what the suite covers of PyTorch's documentation.",
    ),
    "advise": ("embcheck.cli.advise", "Say which backends have what you need."),
    "migrate": ("embcheck.cli.migrate", "Show what changes from one backend to another."),
    "recipe": ("embcheck.cli.recipe", "Print code that does what PyTorch documents."),
    "compat": ("embcheck.cli.compat", "Show which backend supports what."),
    "merge": ("embcheck.cli.merge", "Join runs of several environments or machines."),
    "accept": ("embcheck.cli.accept", "Keep a run's results, to compare later runs with."),
    "diff": ("embcheck.cli.diff", "Show what changed between two runs."),
    "show": ("embcheck.cli.show", "Show a case, its clause, and what came of it."),
    "reproduce": ("embcheck.cli.reproduce", "Print a case as a script of the library's own API."),
    "audit": ("embcheck.cli.audit", "Check a random sample of results against the library alone."),
    "triage": ("embcheck.cli.triage", "Write unexplained departures as deviations to fill in."),
    "report": ("embcheck.cli.report", "Turn finished runs into an HTML report."),
    "site": ("embcheck.cli.site", "Turn many runs into a static site."),
}


class LazyGroup(click.Group):
    """A group that knows its subcommands by name, and imports one when it is called.

    Users never see a traceback, and the exit code does not depend on who reads the output.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command, and end the process with its exit code."""
        with tolerant_streams() as out:
            try:
                return super().main(*args, **extra)
            except SystemExit as ended:
                # What is still in buffers may fail now, and a lost output must not look like
                # success.
                out.flush()
                if out.failure is None or reader_is_gone(out.failure):
                    raise
                code = ended.code if isinstance(ended.code, int) else 0
                # `| head` closes the pipe on purpose, so only other failures change the code.
                raise SystemExit(tell_lost_output(out.failure, code)) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; report an error that it did not handle in one line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("embcheck: interrupted", err=True)
            sys.exit(INTERRUPTED)
        # Click prints these itself, with its own exit codes.
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001  (every error must be reported)
            sys.exit(tell_fault(error))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the subcommands, in the order of use."""
        del ctx
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; for an unknown one, suggest a known one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS, "`embcheck --help` lists them")
            ctx.fail(f"there is no command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(
            import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_")
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"embcheck {version('embcheck')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    expose_value=False,
    is_eager=True,
    help="Show the version and exit.",
)
def main() -> None:
    """Check whether a backend looks up embeddings the way PyTorch documents, and what it costs.

    Exit codes: 0 all conforms or is explained; 1 an unexplained departure; 2 a usage or spec
    error, an unknown or unavailable backend, nothing selected or judged; 3 a harness fault.
    """
