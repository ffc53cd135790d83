"""Fetch one file with pooch: resumed where it broke off, checked by hash, whole or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stereo_portrait.core.errors import StereoPortraitError, WeightsError

CHUNK_BYTES = 1 << 16
TIMEOUT_S = 30


def fetch(
    address: str,
    sha256: str | None,
    target: Path,
    otherwise: str,
    progress: Callable[[int, int | None], None] | None = None,
    error_kind: type[StereoPortraitError] = WeightsError,
) -> Path:
    """The downloaded file at `target`, verified where a hash is published; `otherwise` ends the message on failure.

    Raises:
        WeightsError (or `error_kind`): no connection, a refusal by the server, a wrong hash, an unwritable folder.
    """
    import pooch
    import requests

    unfinished = target.with_name(target.name + ".part")

    def resuming(url: str, output_file: str, pooch_instance: Any) -> None:
        done = unfinished.stat().st_size if unfinished.exists() else 0
        headers = {"Range": f"bytes={done}-"} if done else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S, allow_redirects=True) as reply:
            if reply.status_code == 416:  # the unfinished file is already as long as the whole: let the hash judge
                unfinished.replace(output_file)
                return
            reply.raise_for_status()
            if reply.status_code != 206:
                done = 0
            length = reply.headers.get("Content-Length")
            total = done + int(length) if length and length.isdigit() else None
            with unfinished.open("ab" if done else "wb") as stream:
                for chunk in reply.iter_content(CHUNK_BYTES):
                    stream.write(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done, total)
        unfinished.replace(output_file)

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.get_logger().setLevel("ERROR")
        found = pooch.retrieve(
            address,
            known_hash=sha256 and f"sha256:{sha256}",
            fname=target.name,
            path=target.parent,
            downloader=resuming,
        )
    except requests.RequestException as error:
        raise error_kind(f"cannot fetch {address} ({type(error).__name__}): try again, or {otherwise}") from error
    except ValueError as error:  # pooch's word for a hash that does not match
        raise error_kind(f"{address} gave another file than expected (wrong sha256): {otherwise}") from error
    except OSError as error:
        raise error_kind(f"cannot write into {target.parent}: {error.strerror or error}") from error
    return Path(found)
