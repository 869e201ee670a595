"""Text files are UTF-8 whatever the locale says."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow

# Other packages, such as OpenCV's loader, do open files without an encoding: only ours must not.
CODE = """
    import warnings
    warnings.filterwarnings("error", category=EncodingWarning, module="infinity_frames")
    from pathlib import Path
    import cv2
    import numpy as np
    import infinity_frames as inf

    root = Path("batch")
    for name in ("a", "b"):
        job = root / name
        job.mkdir(parents=True)
        labels = {
            "info": {},
            "categories": [{"id": 1, "name": "ch\\u00e2ssis"}],
            "images": [{"id": 0, "frame_number": 0, "width": 8, "height": 8}],
            "annotations": [
                {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16}
            ],
        }
        (job / "labels.json").write_bytes(__import__("orjson").dumps(labels))
        (job / "job.json").write_bytes(b'{"name": "toy-v1.0.0", "params": {"note": "\\xc3\\xa9"}}')
        cv2.imwrite(str(job / "video_preview.png"), np.zeros((8, 8, 3), np.uint8))
    results = inf.read_results(root, quiet=True)
    results["split"] = ["train", "val"]
    for format in ("yolo", "coco", "huggingface", "parquet"):
        results.infinity.export(f"out/{format}", format, quiet=True)
    results.infinity.verify(quiet=True)
    assert results.infinity.annotations()["category"].tolist() == ["ch\\u00e2ssis"] * 2
    assert "ch\\u00e2ssis" in Path("out/yolo/data.yaml").read_text(encoding="utf-8")
    home = inf.start_engine(workers=1)
    inf.stop_engine()
    print("done")
"""


def test_no_text_is_read_or_written_in_the_locales_encoding(tmp_path, monkeypatch):
    monkeypatch.setenv("INFINITY_HOME", str(tmp_path / "home"))
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "warn_default_encoding",
            "-X",
            "utf8=0",
            "-c",
            textwrap.dedent(CODE),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout == "done\n", done.stderr
