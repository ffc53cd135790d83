"""Fetch a public set, scene by scene; what is here already is not fetched again."""

import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from stereo_portrait.core.errors import DatasetError
from stereo_portrait.networks.download import fetch
from stereo_portrait.sources.dataset_scenes import SetDescription

MAX_UNPACKED_BYTES = 20_000_000_000
DONE = ".complete"


def pull_set(
    description: SetDescription,
    folder: Path,
    scenes: tuple[str, ...] = (),
    progress: Callable[[str], None] = lambda scene: None,
) -> list[Path]:
    """Download and unpack the named scenes (all if none is named) into `folder`; returns their folders.

    Raises:
        DatasetError: the set cannot be fetched by a program, an unknown scene, no connection, or a damaged archive.
    """
    body = description.body
    address = body.get("download")
    if not address or not body["scenes"]:
        raise DatasetError(
            f"{description.title} cannot be fetched by a program; get it from {body['page']}, unpack it into {folder}"
        )
    unknown = [s for s in scenes if s not in body["scenes"]]
    if unknown:
        raise DatasetError(f"{description.title} has no scene {', '.join(unknown)}; it has {', '.join(body['scenes'])}")
    made = []
    for scene in scenes or body["scenes"]:
        target = folder / scene
        if not (target / DONE).exists():
            url = address.format(scene=scene)
            otherwise = f"fetch {url} elsewhere and unpack it into {target}"
            hashes = body.get("sha256", {})
            archive = fetch(url, hashes.get(scene), folder / f"{scene}.zip", otherwise, error_kind=DatasetError)
            unpack(archive, target)
            archive.unlink()
            (target / DONE).touch()
        progress(scene)
        made.append(target)
    return made


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip; one top folder in it is left out, names that climb out of `target` are refused.

    Raises:
        DatasetError: not a zip, damaged, too large, or with such names.
    """
    try:
        with zipfile.ZipFile(archive) as pack:
            files = [m for m in pack.infolist() if not m.is_dir()]
            if sum(m.file_size for m in files) > MAX_UNPACKED_BYTES:
                raise DatasetError(f"{archive}: unpacks to over {MAX_UNPACKED_BYTES} bytes; refused")
            for member in files:
                parts = PurePosixPath(member.filename).parts
                if ".." in parts or member.filename.startswith(("/", "\\")):
                    raise DatasetError(f"{archive}: holds '{member.filename}', which climbs out of its folder; refused")
                path = target.joinpath(*(parts[1:] if len(parts) > 1 else parts))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pack.read(member))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DatasetError(f"{archive}: damaged archive ({error}); delete it and pull again") from error
    except OSError as error:
        raise DatasetError(f"cannot write into {target}: {error.strerror or error}") from error
