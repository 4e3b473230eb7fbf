"""The command `florg methods`."""

import json
from typing import Annotated, Any

import typer

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.


def methods_command(
    options: Annotated[bool, typer.Option("--options", help="Which options on uploads each takes instead.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Those as Markdown.")] = False,
) -> None:
    """List the methods with what they send and their own settings."""
    if options or markdown:
        _print_options(markdown)
        return
    from dataclasses import fields

    from rich.console import Console
    from rich.table import Table

    from strategies import METHODS

    table = Table("strategy.name", "adapter", "symbols", "weighting", "settings", "summary")
    for name, method in METHODS.items():
        plan = method().plan
        settings: Any = fields(method)  # pyright: ignore[reportArgumentType] - every method is a dataclass
        table.add_row(
            name,
            plan.adapter,
            "\n".join(f"{symbol} {role}" for symbol, role in plan.roles.items()),
            plan.weighting,
            "\n".join(f"{field.name.replace('_', '-')} = {json.dumps(field.default)}" for field in settings),
            method.summary,
        )
    Console().print(table)


def _print_options(as_markdown: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from florg_app.cli.method_options import HEADINGS, option_rows, options_markdown

    if as_markdown:
        print(options_markdown())
        return
    table = Table(*HEADINGS)
    for row in option_rows():
        table.add_row(*row)
    Console().print(table)
