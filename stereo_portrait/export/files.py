"""Results appear whole or not at all."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stereo_portrait.core.errors import OutputError


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield a hidden folder inside `target`; on success every file in it moves into `target`, on failure all vanish.

    Folders that had to be made for a result that then failed are removed again.

    Raises:
        OutputError: `target` cannot be made or written, or the disk is full.
    """
    missing = _missing_parents(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".stereo-portrait-", dir=target))
    except OSError as error:
        _remove_empty(missing)
        raise explained(error, target) from error
    done = False
    try:
        yield staging
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                final = target / path.relative_to(staging)
                final.parent.mkdir(parents=True, exist_ok=True)
                path.replace(final)
        done = True
    except OSError as error:
        raise explained(error, target) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not done:
            _remove_empty(missing)


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`, with the same suffix; on success it becomes `target`.

    Raises:
        OutputError: as `staged_folder`.
    """
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; name a file")
    with staged_folder(target.parent) as staging:
        yield staging / target.name


def write_bytes(path: Path, data: bytes) -> None:
    """Write and flush to the disk, so that a full disk is noticed here."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _missing_parents(target: Path) -> list[Path]:
    return [p for p in (target, *target.parents) if not p.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def explained(error: OSError, target: Path) -> OutputError:
    """What a failed write means, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(f"cannot write into {target}: the disk is full; free some space or choose another -o")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"cannot write into {target}: permission denied; choose another -o")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return OutputError(f"cannot write into {target}: a file stands where a folder is needed; choose another -o")
    return OutputError(f"cannot write into {target}: {error.strerror or error}")
