"""stereo-portrait models: what networks there are, where they lie, and how to get one."""

from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options


@click.group()
def command() -> None:
    """Networks: those that come with the package, and larger ones to fetch once.

    Example: stereo-portrait models list
    """


@command.command("list")
@common_options
def list_(talk: Talk) -> None:
    """Every network: purpose, size, licence, and whether it is on this machine.

    Example: stereo-portrait models list --json
    """
    from stereo_portrait.networks.weights import catalogue, located

    rows: list[dict[str, Any]] = []
    for weights in catalogue().values():
        path = located(weights)
        rows.append(
            {
                "name": weights.name,
                "purpose": weights.purpose,
                "built_in": weights.built_in,
                "here": path is not None,
                "file": str(path) if path else None,
                "bytes": weights.size_bytes,
                "sha256": weights.sha256,
                "licence": weights.licence,
                "address": weights.address,
            }
        )
    lines = [f"{'name':24} {'purpose':10} {'size':>9}  {'licence':11} where"]
    for row in rows:
        size = f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] else "?"
        where = "built in" if row["built_in"] else row["file"] or "not here: models pull " + row["name"]
        lines.append(f"{row['name']:24} {row['purpose']:10} {size:>9}  {row['licence']:11} {where}")
    talk.result({"models": rows}, "\n".join(lines))


@command.command("pull")
@click.argument("name")
@click.option("--offline", is_flag=True, help="Never touch the network: take what is here, or say what is missing.")
@common_options
def pull_(talk: Talk, name: str, offline: bool) -> None:
    """Fetch a network, resumed where it broke off, and check its hash.

    Example: stereo-portrait models pull u2netp
    """
    from stereo_portrait.networks.weights import named, pull

    weights = named(name)
    expected = weights.size_bytes
    with talk.progress(f"fetching {name}", 100) as advance:
        seen = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal seen
            percent = int(100 * done / (total or expected or done))
            for _ in range(percent - seen):
                advance(f"{done / 1e6:.1f} MB")
            seen = max(seen, percent)

        path = pull(name, offline, progress)
    talk.result({"name": name, "file": str(path), "sha256": weights.sha256}, f"{name}: {path}")


@command.command("where")
@common_options
def where_(talk: Talk) -> None:
    """The folder that fetched networks live in ($STEREO_PORTRAIT_MODELS changes it).

    Example: stereo-portrait models where
    """
    from stereo_portrait.networks.weights import models_folder

    talk.result({"folder": str(models_folder())}, str(models_folder()))
