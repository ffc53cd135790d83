"""Spatial photos: the stereo group, the cameras the file states, and files that state nonsense."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stereo_portrait.core.errors import InputError, RigError
from stereo_portrait.sources.heif_boxes import item_properties
from stereo_portrait.sources.image_file import ImageSettings
from stereo_portrait.sources.spatial_heic import EXTRINSIC_KINDS, _baseline_m, read_spatial_views


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def extrinsic(x_um: int) -> bytes:
    """Flags 1: only the x of the position is there."""
    return struct.pack(">Ii", 1, x_um)


def heif(ipma: bytes) -> bytes:
    properties = box(b"cmex", extrinsic(0)) + box(b"uuid", EXTRINSIC_KINDS[1] + extrinsic(63807))
    meta = box(b"hdlr", bytes(20)) + box(b"iprp", box(b"ipco", properties) + box(b"ipma", ipma))
    return box(b"ftyp", b"heic" + bytes(4)) + box(b"meta", bytes(4) + meta)


NARROW = struct.pack(">II", 0, 2) + struct.pack(">HBB", 26, 1, 0x81) + struct.pack(">HBB", 52, 1, 2)
WIDE = struct.pack(">II", 1 << 24 | 1, 2) + struct.pack(">IBH", 26, 1, 0x8001) + struct.pack(">IBH", 52, 1, 2)


@pytest.mark.parametrize("ipma", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_baseline_is_the_distance_of_the_two_stated_positions(ipma: bytes) -> None:
    items = item_properties(heif(ipma))
    assert _baseline_m(items[26], items[52]) == pytest.approx(0.063807)


def test_exchanged_or_missing_positions_give_no_baseline() -> None:
    items = item_properties(heif(NARROW))
    with pytest.raises(RigError, match="impossible"):
        _baseline_m(items[52], items[26])
    with pytest.raises(RigError, match="how far apart"):
        _baseline_m(items[26], [])


@settings(max_examples=200)
@given(st.data())
def test_damaged_boxes_are_followed_or_left_alone(data: st.DataObject) -> None:
    whole = bytearray(heif(WIDE))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for item, properties in item_properties(bytes(whole[: data.draw(st.integers(0, len(whole)))])).items():
        assert isinstance(item, int)
        assert all(isinstance(kind, bytes) for kind, _ in properties)


def test_a_spatial_photo_states_its_cameras(sample_data: Path) -> None:
    views = read_spatial_views(sample_data / "phone_depth" / "pillow_heif" / "spatial_photo.heic")
    assert views is not None
    assert views.rig is not None
    assert (views.left, views.right) == (0, 1)
    assert views.rig.baseline_m == pytest.approx(0.0638, abs=1e-4)
    assert views.rig.left.fx_px == pytest.approx(1525.4, abs=0.1)
    assert np.allclose((views.rig.left.cx_px, views.rig.left.cy_px), 1279.5)


def test_a_photo_with_one_view_has_no_spatial_views(sample_data: Path) -> None:
    assert read_spatial_views(sample_data / "phone_depth" / "pillow_heif" / "pug.heic") is None


def test_views_over_the_pixel_limit_are_refused_before_they_are_decoded(sample_data: Path) -> None:
    photo = sample_data / "phone_depth" / "pillow_heif" / "spatial_photo.heic"
    with pytest.raises(InputError, match="max_megapixels"):
        read_spatial_views(photo, ImageSettings(max_megapixels=1))


def test_a_truncated_spatial_photo_is_refused_or_has_no_views(sample_data: Path, tmp_path: Path) -> None:
    data = (sample_data / "phone_depth" / "pillow_heif" / "spatial_photo.heic").read_bytes()
    for keep in (10, 100, 3000, 4400):
        (tmp_path / "cut.heic").write_bytes(data[:keep])
        try:
            views = read_spatial_views(tmp_path / "cut.heic")
        except InputError as error:
            assert "cut.heic" in str(error)
        else:
            assert views is None or views.rig is None or views.rig.baseline_m > 0
