"""Fixtures that every test folder shares."""

import os
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # A shell starts what runs in its background deaf to Ctrl-C, and the commands under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# One commit gets one verdict, on slow machines too; `make search` draws other examples.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("repeatable")


def sample_folder() -> Path | None:
    """Real samples: $STEREO_PORTRAIT_DATA, else a shared/data folder beside the checkout; None where neither is."""
    named = os.environ.get("STEREO_PORTRAIT_DATA")
    candidates = [Path(named)] if named else [REPOSITORY.parent / "shared" / "data"]
    return next((folder for folder in candidates if (folder / "MANIFEST.tsv").exists()), None)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Folder of real samples; the test is skipped where it is absent."""
    folder = sample_folder()
    if folder is None:
        pytest.skip("no real samples here: set STEREO_PORTRAIT_DATA to their folder")
    return folder
