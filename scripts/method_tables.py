"""Write the generated parts of docs/methods.md and docs/privacy.md from the methods themselves.

python -m scripts.method_tables            # rewrite the pages
python -m scripts.method_tables --check    # exit status 1 where one is out of date
"""

from florg_app.cli.method_options import options_markdown
from florg_app.config.wire_settings import no_coded_upload, no_feedback
from scripts.pages import DOCS, ROOT, with_part, write_or_check
from scripts.settings_table import Row, read_settings
from strategies import METHODS
from strategies.method import Method
from strategies.plan import HELD, KEPT, Role

OVERVIEW = "<!-- overview: made by scripts/method_tables.py -->", "<!-- end of overview -->"
OPTIONS = "<!-- options: made by scripts/method_tables.py -->", "<!-- end of options -->"
END_OF_FACTS = "<!-- end of facts -->"


def overview(methods: dict[str, type[Method]]) -> str:
    """One row for each method."""
    lines = [
        "| `strategy.name` | what it does | trained and sent | weights | needs all uploads |",
        "|---|---|---|---|---|",
    ]
    for name, cls in methods.items():
        method = cls()
        stacked = _yes(method.traits.needs == "stack")
        cells = [f"`{name}`", method.summary, _roles(method), method.plan.weighting, stacked]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def facts(name: str, method: Method, settings: list[Row]) -> str:
    """What one method with its defaults declares, and its settings with their defaults and meanings."""
    own = [row for row in settings if row[0].startswith(f"strategy.{name}.")]
    declared = {
        "`strategy.name`": f"`{name}`",
        "adapter": f"`{method.plan.adapter}`: {_roles(method)}; head {method.plan.head}",
        "the server holds between rounds": _state(method, HELD),
        "a client keeps between rounds": _state(method, KEPT),
        "weights": method.plan.weighting,
        "uploads": "side by side, when all are there" if method.traits.needs == "stack" else "added up as they arrive",
        "the mean of the updates is kept exactly": _yes(method.traits.exact),
        "ranks of their own for clients": _yes(method.traits.client_ranks),
        "`wire.feedback` of coded uploads": "no" if no_feedback(method) or no_coded_upload(method, "int8") else "yes",
        "global model": _yes(method.plan.has_global_model),
        "settings": "<br>".join(f"`{key} = {default}`: {meaning}".replace("|", "\\|") for key, default, meaning in own),
    }
    lines = ["| | |", "|---|---|"]
    return "\n".join(lines + [f"| {what} | {value or 'none'} |" for what, value in declared.items()])


def updated_methods_page(page: str, pyproject: str) -> str:
    """docs/methods.md with the overview and the facts of every method. Raises ValueError where one has no section."""
    settings = read_settings(pyproject)
    page = with_part(page, *OVERVIEW, overview(METHODS))
    for name, cls in METHODS.items():
        page = with_part(page, f"<!-- facts {name} -->", END_OF_FACTS, facts(name, cls(), settings))
    return page


def updated_privacy_page(page: str) -> str:
    """docs/privacy.md with the options on uploads that each method takes."""
    return with_part(page, *OPTIONS, options_markdown())


def _roles(method: Method) -> str:
    plans = [method.plan_at(t) for t in (1, 2)] if method.traits.roles_by_round else [method.plan]
    said = [", ".join(f"{symbol} {role}" for symbol, role in plan.roles.items()) for plan in plans]
    return said[0] if len(said) == 1 else "; ".join(f"round {t}: {roles}" for t, roles in enumerate(said, start=1))


def _state(method: Method, roles: tuple[Role, ...]) -> str:
    """What a method has in these roles, the head too."""
    head = ("the head",) if method.plan.head in roles else ()
    return ", ".join((*method.plan.named(*roles), *head))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def main() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    write_or_check(
        {
            DOCS / "methods.md": lambda page: updated_methods_page(page, pyproject),
            DOCS / "privacy.md": updated_privacy_page,
        }
    )


if __name__ == "__main__":
    main()
