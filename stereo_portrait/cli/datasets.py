"""stereo-portrait datasets: the public sets that evaluate can read."""

from pathlib import Path
from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options


@click.group()
def command() -> None:
    """Public stereo sets with true disparity.

    Example: stereo-portrait datasets list
    """


@command.command("list")
@common_options
def list_(talk: Talk) -> None:
    """Every described set: where it comes from, what to cite, and whether it is here.

    Example: stereo-portrait datasets list --json
    """
    from stereo_portrait.sources.dataset_scenes import data_folder, descriptions

    rows: list[dict[str, Any]] = []
    for name, description in descriptions().items():
        body = description.body
        rows.append(
            {
                "name": name,
                "title": description.title,
                "scenes": len(body["scenes"]),
                "here": (data_folder() / name).is_dir(),
                "can_be_pulled": bool(body.get("download") and body["scenes"]),
                "page": body["page"],
                "cite": body["cite"],
            }
        )
    lines = [f"{row['name']:16} {row['title']:46} {_state(row)}" for row in rows]
    talk.result({"datasets": rows, "folder": str(data_folder())}, "\n".join(lines))


def _state(row: dict[str, Any]) -> str:
    return "here" if row["here"] else "pull" if row["can_be_pulled"] else row["page"]


@command.command("pull")
@click.argument("name")
@click.option("--scene", "scenes", multiple=True, help="Only this scene; may be given more than once.")
@click.option("--root", type=click.Path(path_type=Path), help="Where to put it.  [default: the user's cache]")
@common_options
def pull_(talk: Talk, name: str, scenes: tuple[str, ...], root: Path | None) -> None:
    """Fetch a set, scene by scene; run it again to go on where it stopped.

    Example: stereo-portrait datasets pull middlebury2014 --scene Motorcycle
    """
    from stereo_portrait.core.errors import DatasetError
    from stereo_portrait.sources.dataset_pull import pull_set
    from stereo_portrait.sources.dataset_scenes import data_folder, descriptions

    known = descriptions()
    if name not in known:
        raise DatasetError(f"no set '{name}'; sets: {', '.join(known)}")
    folder = (root or data_folder()) / name
    with talk.progress(f"fetching {name}", len(scenes) or len(known[name].body["scenes"])) as advance:
        made = pull_set(known[name], folder, scenes, advance)
    talk.result({"name": name, "folder": str(folder), "scenes": [p.name for p in made]}, f"{name}: {folder}")
