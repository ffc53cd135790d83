"""A place for one frame between two threads: the newest one wins."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The slot was closed, and what lay in it has been taken."""


class Newest(Generic[T]):
    """Holds at most one item, so that a slow taker sees fresh frames and never a queue of old ones."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._takers = 0

    def put(self, item: T) -> T | None:
        """Lay an item down; returns the one that is lost by it: an older one that nobody took, or this if closed."""
        with self._changed:
            if self._closed:
                return item
            lost, self._item = self._item, item
            self._changed.notify_all()
            return lost

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for the item and remove it; None when the time is over.

        Raises:
            Closed: there is none and none will come.
        """
        with self._changed:
            self._takers += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            self._takers -= 1
            item, self._item = self._item, None
            if item is None and self._closed:
                raise Closed
            self._changed.notify_all()
            return item

    def wait_until_free(self, timeout_s: float | None = None) -> bool:
        """Wait until the last item has been taken; False when the time is over.

        Raises:
            Closed: nobody takes any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._item is None or self._closed, timeout_s)
            if self._closed:
                raise Closed
            return self._item is None

    def wait_until_wanted(self) -> None:
        """Wait until somebody waits for an item and none is there.

        Raises:
            Closed: nobody takes any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._takers > 0 and self._item is None))
            if self._closed:
                raise Closed

    def holds(self) -> bool:
        """True while an item lies here."""
        with self._changed:
            return self._item is not None

    def close(self) -> None:
        """No more items; the one that lies here can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self) -> T | None:
        """Close, and give back what nobody took."""
        with self._changed:
            left, self._item, self._closed = self._item, None, True
            self._changed.notify_all()
            return left
