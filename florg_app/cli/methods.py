"""The command `florg methods`."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from strategies.method import Method

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.

UNBOUND = 10_000
"""Columns that no table needs."""


def methods_command(
    options: Annotated[bool, typer.Option("--options", help="Which options on uploads each takes instead.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Those as Markdown.")] = False,
) -> None:
    """List the methods with what they send and their own settings."""
    if options or markdown:
        _print_options(markdown)
        return
    from rich.console import Console

    from strategies import METHODS

    Console(highlight=False).print(method_list(METHODS))


def method_list(methods: "Mapping[str, type[Method]]") -> "Table":
    """Make the list of the methods. Lines break between words alone, so that every name stands whole at any width."""
    from dataclasses import fields

    from rich.text import Text

    listed = _blocks()
    for name, method in methods.items():
        plan = method().plan
        settings: Any = fields(method)  # pyright: ignore[reportArgumentType] - every method is a dataclass
        symbols = ", ".join(f"{symbol} {role}" for symbol, role in plan.roles.items())
        own = [f"{field.name.replace('_', '-')} = {json.dumps(field.default)}" for field in settings]
        listed.add_row(Text(name, style="bold"), Text(method.summary))
        listed.add_row("", Text(f"adapter {plan.adapter}: {symbols}; weights: {plan.weighting}"))
        if own:
            listed.add_row("", Text(f"strategy.{name}: {', '.join(own)}", style="dim"))
    return listed


def _blocks() -> "Table":
    """A name, and beside it text that breaks between words."""
    from rich.table import Table

    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    return made


def _print_options(as_markdown: bool) -> None:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    from florg_app.cli.method_options import HEADINGS, option_rows, options_markdown

    if as_markdown:
        print(options_markdown())
        return
    table = Table(*HEADINGS)
    narrow = _blocks()
    for name, *cells in option_rows():
        table.add_row(name, *cells)
        told = "; ".join(f"{heading}: {cell}" for heading, cell in zip(HEADINGS[1:], cells, strict=True))
        narrow.add_row(Text(name, style="bold"), Text(told))
    console = Console(highlight=False)
    needed = Measurement.get(console, console.options.update(width=UNBOUND), table).maximum
    console.print(table if needed <= console.width else narrow)
