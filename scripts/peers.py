"""Train for a moment on exports with Ultralytics and torchvision; print what they say.

Run by ``make peers``, in an environment that has PyTorch, torchvision and Ultralytics.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import infinity_frames as inf


def main() -> None:
    """Render a few small videos, export them, and train on them with each library."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["INFINITY_HOME"] = str(root / "home")
        os.environ["YOLO_CONFIG_DIR"] = str(root / "yolo")
        try:
            results = rendered(root)
        finally:
            inf.stop_engine()
        torchvision_step(results)
        ultralytics_epoch(results, root)


def rendered(root: Path) -> inf.Frame:
    """Four short videos."""
    session = inf.Session("visionfit")
    small: dict[str, Any] = {
        "image_width": 160,
        "image_height": 160,
        "num_reps": 1,
        "frame_rate": 6,
    }
    fast: dict[str, Any] = {
        "rel_baseline_speed": 3.0,
        "inter_rep_delay_avg": 0.0,
        "inter_rep_delay_var": 0.0,
    }
    jobs = session.sample(4, seed=2, allowable_occlusion=60.0, **small, **fast)
    return jobs.infinity.run(root / "videos", name="peers")


def torchvision_step(results: inf.Frame) -> None:
    """One step of Mask R-CNN on the map-style dataset."""
    import torch
    import torchvision

    dataset = results.infinity.torch(
        ("boxes", "masks"), lambda image, target: (image / 255, target), stride=4
    )
    loader = torch.utils.data.DataLoader(dataset, 2, shuffle=True, collate_fn=list)
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=len(dataset.categories), min_size=160
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    images, targets = zip(*next(iter(loader)), strict=True)
    losses = model(list(images), list(targets))
    total = sum(losses.values())
    total.backward()
    optimizer.step()
    named = ", ".join(f"{name} {float(loss.detach()):.3f}" for name, loss in losses.items())
    print(f"torchvision {torchvision.__version__}: one step of Mask R-CNN, {named}")
    assert bool(torch.isfinite(total))


def ultralytics_epoch(results: inf.Frame, root: Path) -> None:
    """One epoch of YOLO pose on two exports merged by hand, as users add new data."""
    import ultralytics
    import yaml

    halves = [results.head(2), results.tail(2)]
    for number, half in enumerate(halves):
        parts = half.assign(split=["train", "dev"])
        parts.infinity.export(root / f"yolo{number}", "yolo-pose", stride=4, quiet=True)
    described = [yaml.safe_load((root / f"yolo{n}" / "data.yaml").read_text()) for n in (0, 1)]
    assert described[0]["names"] == described[1]["names"]
    merged = {
        **described[0],
        **{
            role: [str(root / f"yolo{n}" / "images" / role) for n in (0, 1)]
            for role in ("train", "val")
        },
    }
    (root / "merged.yaml").write_text(yaml.safe_dump(merged))
    model = ultralytics.YOLO("yolov8n-pose.yaml")
    metrics = model.train(
        data=str(root / "merged.yaml"),
        epochs=1,
        imgsz=160,
        batch=4,
        workers=0,
        device="cpu",
        plots=False,
        amp=False,
        project=str(root / "runs"),
        verbose=False,
    )
    print(f"ultralytics {ultralytics.__version__}: one epoch of YOLO pose on two merged exports")
    print(f"  {metrics.results_dict}")


if __name__ == "__main__":
    main()
