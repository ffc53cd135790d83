"""A method's name -> something that turns a pair into a disparity map."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.evaluation.peers import PEERS, Method
from stereo_portrait.matching import MATCHERS
from stereo_portrait.refinement import REFINERS, Refiner
from stereo_portrait.sources import synthetic


class SettingsBySection(Protocol):
    """What `load_settings` gives."""

    def __getitem__(self, section: str) -> Any: ...


@dataclass(frozen=True)
class Candidate:
    """One method under test."""

    name: str
    matcher: tuple[Any, Any] | Method  # (class, settings), or a peer
    refiner: Refiner | None

    def run(self, pair: RectifiedPair, max_disparity_px: int) -> tuple[DisparityMap, float]:
        """The map and the milliseconds it took; the search ends at the scene's published highest disparity.

        A range in the settings wins over the published one.
        """
        if callable(self.matcher):
            started_s = time.perf_counter()
            disparity_px = self.matcher(pair, max_disparity_px)
            elapsed_ms = 1e3 * (time.perf_counter() - started_s)
            known = ~np.isnan(disparity_px)
            flaws = np.where(known, 0, Flaw.NO_MATCH).astype(np.uint8)
            return DisparityMap(disparity_px, known.astype(np.float32), flaws, pair.rig), elapsed_ms
        make, settings = self.matcher
        matcher = make(_with_range(settings, max_disparity_px))
        started_s = time.perf_counter()
        found = matcher.match(pair)
        if self.refiner is not None:
            found = self.refiner.refine(found, pair)
        return found, 1e3 * (time.perf_counter() - started_s)

    def warm_up(self) -> None:
        """Run once on a small picture, so that compiling is nobody's time."""
        scene = synthetic.square_in_front(9, 3, 96, 64, side_px=24)
        self.run(scene.pair, scene.max_disparity_px)


def candidates(names: list[str], settings: SettingsBySection) -> list[Candidate]:
    """The methods named "matcher" or "matcher+refiner", or after a peer, each once.

    Raises:
        ConfigError: a name that is not known; all known ones are listed.
    """
    return [_candidate(name, settings) for name in dict.fromkeys(n.strip() for n in names) if name]


def _candidate(name: str, settings: SettingsBySection) -> Candidate:
    matcher, plus, refiner = name.partition("+")
    if matcher in PEERS:
        if plus:
            raise ConfigError(f"'{name}': the peer '{matcher}' is compared as it is; leave out '+{refiner}'")
        return Candidate(name, PEERS[matcher], None)
    if matcher not in MATCHERS:
        raise ConfigError(f"no method '{name}': matchers are {', '.join(MATCHERS)}, peers {', '.join(PEERS)}")
    if plus and refiner not in REFINERS:
        raise ConfigError(f"no method '{name}': refiners are {', '.join(REFINERS)}")
    section, make = MATCHERS[matcher]
    chosen: Refiner | None = None
    if plus:
        refiner_section, make_refiner = REFINERS[refiner]
        chosen = make_refiner() if refiner_section is None else _made(make_refiner, settings[refiner_section])
    return Candidate(name, (make, settings[section]), chosen)


def _made(make: Any, settings: Any) -> Refiner:
    made: Refiner = make(settings)
    return made


def _with_range(settings: Any, max_disparity_px: int) -> Any:
    names = {f.name for f in dataclasses.fields(settings)}
    if not {"min_disparity_px", "max_disparity_px"} <= names or settings.max_disparity_px is not None:
        return settings
    low = settings.min_disparity_px
    low = min(0, max_disparity_px - 1) if low is None else low
    return dataclasses.replace(settings, min_disparity_px=low, max_disparity_px=max(max_disparity_px, low + 1))
