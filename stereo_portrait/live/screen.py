"""Where pictures go: nowhere, or several places at once."""

from typing import Protocol

from stereo_portrait.live.picture import Picture


class Screen(Protocol):
    """Shows pictures in the thread that runs the stream; `show` answers whether to go on."""

    def show(self, picture: Picture) -> bool: ...

    def idle(self) -> bool: ...

    def close(self) -> None: ...


class Nowhere:
    """Shows nothing: for measuring."""

    def show(self, picture: Picture) -> bool:
        """Go on."""
        return True

    def idle(self) -> bool:
        """Called while no picture comes; whether to go on."""
        return True

    def close(self) -> None:
        """Nothing to let go of."""


class Several:
    """Every picture on every screen; none at all is fine for measuring."""

    def __init__(self, screens: list[Screen]) -> None:
        self.screens = screens

    def show(self, picture: Picture) -> bool:
        """Go on while all screens want to."""
        answers = [screen.show(picture) for screen in self.screens]  # every one sees it, whatever the others say
        return all(answers)

    def idle(self) -> bool:
        """Called while no picture comes; whether to go on."""
        answers = [screen.idle() for screen in self.screens]
        return all(answers)

    def close(self) -> None:
        """Close all."""
        for screen in self.screens:
            screen.close()
