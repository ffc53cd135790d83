"""What a viewer's message asks for; nothing in it is believed before it has been looked at."""

import json
import math
from typing import Any

from stereo_portrait.core.errors import InputError
from stereo_portrait.live.controls import Controls

MOST_BYTES = 1024


def obey(message: str | bytes, controls: Controls) -> bool:
    """Do what one message asks; True if it acknowledges a picture.

    A message is a JSON object with one of: ack, focus [x, y] (shares), follow, f_number, view, freeze, working_width_px
    (or null), save.

    Raises:
        InputError: anything else.
    """
    if isinstance(message, bytes) or len(message) > MOST_BYTES:
        raise InputError("a message is a short text")
    try:
        asked = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise InputError("a message is JSON") from error
    if not isinstance(asked, dict) or len(asked) != 1:
        raise InputError("a message is a JSON object with one wish")
    (name, value), *_ = asked.items()
    if name == "ack":
        return True
    _obey(str(name), value, controls)
    return False


def _obey(name: str, value: Any, controls: Controls) -> None:
    if name == "focus":
        if not isinstance(value, list) or len(value) != 2:
            raise InputError("focus wants [x, y] as shares of the picture")
        controls.focus_at(_number(value[0], name), _number(value[1], name))
    elif name == "follow":
        controls.follow(value)
    elif name == "f_number":
        controls.set_f_number(_number(value, name))
    elif name == "view":
        controls.show(str(value)[:40])
    elif name == "freeze":
        controls.freeze(value is True)
    elif name == "working_width_px":
        controls.set_working_width(None if value is None else int(_number(value, name)))
    elif name == "save":
        controls.save()
    else:
        raise InputError(f"no wish '{name[:40]}'")


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{name} wants a number")
    try:
        number = float(value)
    except OverflowError as error:  # a whole number of hundreds of digits
        raise InputError(f"{name} wants a number of sensible size") from error
    if not math.isfinite(number):
        raise InputError(f"{name} wants a number")
    return number
