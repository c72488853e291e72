"""What every command shares: an example in its help, errors for a person, and Ctrl-C that leaves no traceback."""

from __future__ import annotations

from typing import Any

import click

from persona.errors import PersonaError

FAILED, INTERRUPTED = 2, 130  # exit statuses; 130 is the shell's own for Ctrl-C


class Command(click.Command):
    """A command whose help ends with an example that runs."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the example, unwrapped, so that it can be copied."""
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"  {line}\n")


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type  # groups within it are of its own kind

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what went wrong is said in one line."""
        try:
            return super().invoke(ctx)
        except PersonaError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(FAILED)
        except (KeyboardInterrupt, click.Abort):
            click.echo("\ninterrupted: what was finished is kept; the same command goes on from there", err=True)
            ctx.exit(INTERRUPTED)


def commands(group: click.Group, prefix: str = "persona") -> dict[str, Command]:
    """Every command by its full name, in the order of definition: what the README's table must hold."""
    found: dict[str, Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix} {name}")
        elif isinstance(command, Command):
            found[f"{prefix} {name}"] = command
    return found
