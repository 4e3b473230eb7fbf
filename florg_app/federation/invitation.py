"""One more site in a federation file, behind the others, so that the partitions of those stay what they are."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from florg_app.config.flat import to_toml
from florg_app.federation.description import Federation, Site, read_federation, site_problem


def invited(path: Path, name: str, data_path: str | None, gpu: bool) -> tuple[Federation, Site, str]:
    """The federation of a file with one more site, that site, and the text of the file with it; nothing is written.

    Raises ValueError where the name is taken or unusable, or all other sites would have to be told something else.
    """
    federation = read_federation(path)
    if name in [site.name for site in federation.site]:
        raise ValueError(
            f"{path}: there is a site {name} already; choose another name, or run `florg up` for its folder"
        )
    if data_path is None or federation.site[0].data_path is None:
        what = "the new site" if data_path is None else "the others"
        raise ValueError(
            f"{path}: {what} would have a share of the task's rows, and all sites would have to be told the new number "
            "of shares; give every site its own rows (data-path), or write the site into the file and make a new "
            "folder with `florg up`"
        )
    lines = ["", "[[site]]", f"name = {to_toml(name)}", f"data-path = {to_toml(data_path)}", f"gpu = {to_toml(gpu)}"]
    text = path.read_text(encoding="utf-8").rstrip("\n") + "\n" + "\n".join(lines) + "\n"
    try:
        made = Federation.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ValueError("\n".join(f"{path}: {site_problem(problem)}" for problem in error.errors())) from None
    return made, made.site[-1], text
