"""A plan for people: one line per method."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from florg_app.plan.run_plan import RunPlan
from florg_app.reports.summary import format_bytes

UNITS = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
"""Of thousands."""

COLUMNS = 104
"""That the table needs."""


def plan_table(plan: RunPlan) -> Table:
    """What each method trains, sends, computes and holds; bytes as Flower moves them."""
    settings = plan.settings
    title = (
        f"{settings.model.name}, {settings.task.name}: rank {settings.adapter.rank}, {plan.num_clients} clients, "
        f"{plan.num_rounds} rounds"
    )
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    of_bytes, of_work = ("a round down", "a round up", "run down", "run up"), ("client FLOPs", "server FLOPs")
    for column in ("trained", *of_bytes, *of_work, "client memory", "server memory"):
        table.add_column(column, justify="right", no_wrap=" " not in column)
    for one in plan.plans:
        asked, last = max(one.clients_per_round, 1), one.rounds[-1][1:]
        sizes = [*(traffic.wire_bytes / asked for traffic in last), one.down.wire_bytes, one.up.wire_bytes]
        counts = [one.trained_numbers, one.client_flops, one.server_flops]
        trained, *work = [short_count(count) for count in counts]
        memory = [format_bytes(held.total) for held in (one.client_memory, one.server_memory)]
        table.add_row(one.method, trained, *map(format_bytes, sizes), *work, *memory)
    return table


def short_count(count: float) -> str:
    """Write a number with three digits and a unit.

    >>> [short_count(count) for count in (0, 7, 458752, 1.08e12)]
    ['0', '7', '459k', '1.08T']
    """
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g}{UNITS[unit]}"


EXPLANATION = (
    "a round: of one client, the last round; run: all clients, all rounds; FLOPs: of one client's round, and of one "
    "aggregation; memory: the most held, beside the libraries themselves"
)
