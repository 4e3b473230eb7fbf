"""The option `florg --version`: what a report of a problem has to name."""

import typer


def say_versions(asked: bool) -> bool:
    """Print the version of this application, of its source, and of what it stands on, and exit, where that is asked."""
    if not asked:
        return asked
    from florg_app.reports.summary import package_versions

    found = package_versions()
    own = found.pop("florg-app", "from a bundle, without a version")
    print(f"florg {own} (source {found.pop('source')})")
    print(", ".join(f"{name} {version}" for name, version in found.items()))
    raise typer.Exit
