"""Can a pair be matched at all: do its rows correspond, and did both exposures survive?"""

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.fallback.measures import clipped_share, tone_span


def what_ruins(
    pair: RectifiedPair, row_error_limit_px: float, clipped_limit: float, least_tones: float
) -> tuple[str, dict[str, float]]:
    """Why this pair cannot be matched, "" where it can, and the numbers behind it; the limits are the settings'.

    Rows may disagree by `row_error_limit_px` at 1500 px of width and below.
    """
    numbers: dict[str, float] = {}
    limit_px = row_error_limit_px * max(1.0, pair.rig.width_px / 1500)
    if pair.row_error_px is not None:
        numbers["row_error_px"] = pair.row_error_px
        if pair.row_error_px > limit_px:
            reason = (
                f"unreliable: rows disagree by {pair.row_error_px:.2f} px (limit {limit_px:.2g}); the rig has "
                "moved since it was calibrated"
            )
            return reason, numbers
    clipped = [clipped_share(view) for view in (pair.left, pair.right)]
    tones = [tone_span(view) for view in (pair.left, pair.right)]
    for side, share, span in zip(("left", "right"), clipped, tones, strict=True):
        numbers[f"clipped_{side}"] = share
        numbers[f"tones_{side}"] = span
    if abs(clipped[0] - clipped[1]) > clipped_limit:
        worse = "left" if clipped[0] > clipped[1] else "right"
        reason = (
            f"unreliable: {max(clipped):.0%} of the {worse} view is pure black or white, but {min(clipped):.0%} of "
            "the other; its exposure is ruined"
        )
        return reason, numbers
    if min(tones) < least_tones <= max(tones) / 3:
        worse = "left" if tones[0] < tones[1] else "right"
        reason = (
            f"unreliable: the {worse} view spans {min(tones):.0f} grey levels, the other {max(tones):.0f}; its "
            "exposure is ruined"
        )
        return reason, numbers
    return "", numbers
