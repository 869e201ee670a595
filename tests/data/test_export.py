"""What holds for exports of every format."""

# ruff: noqa: F401, F811
from __future__ import annotations

import pytest
from exported import PICTURE_FORMATS, exported
from real_results import real, rendered

from infinity_frames.data import export
from infinity_frames.protocol.errors import ResultsError


@pytest.mark.parametrize("name", PICTURE_FORMATS)
def test_the_readme_says_what_is_left_out(exported, name):
    folder, results, losses = exported(name)
    text = (folder / "README.md").read_text()
    for loss, count in losses.itertuples(index=False):
        assert f"- {loss}: {count}\n" in text
    assert results["exercise"].iloc[0] in text


def test_nothing_half_written_stays_and_nothing_is_overwritten(tmp_path, real):
    with pytest.raises(ResultsError, match="coco, yolo-detect"):
        export(real, tmp_path / "out", "voc")
    (tmp_path / "out").mkdir()
    with pytest.raises(ResultsError, match="exists already"):
        export(real, tmp_path / "out")
    with pytest.raises(ResultsError, match="nothing to export"):
        export(real.head(0), tmp_path / "new")
    with pytest.raises(ResultsError, match="bmp"):
        export(real, tmp_path / "new", pictures="bmp")  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
