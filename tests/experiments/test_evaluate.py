"""evaluate() against pycocotools.COCOeval and by hand, on rendered labels."""

import io
import json
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import infinity_frames as inf
from infinity_frames.errors import FrameError
from infinity_frames.experiments.matching import Matches

BOX = ["bbox_x", "bbox_y", "bbox_width", "bbox_height"]


@pytest.fixture
def results(pictures):
    return inf.read_results(pictures, quiet=True)


def random_boxes(rng, n, images, categories):
    xy, size = rng.uniform(0, 80, (n, 2)), rng.uniform(4, 40, (n, 2))
    out = pd.DataFrame(np.column_stack([xy, size]), columns=BOX)
    out["image"], out["category"] = rng.integers(0, images, n), rng.integers(1, categories + 1, n)
    return out.assign(area=out["bbox_width"] * out["bbox_height"], iscrowd=0)


def shaken(rng, truth, n):
    found = truth.iloc[rng.integers(0, len(truth), n)].reset_index(drop=True)
    found[BOX] += rng.normal(0, 3, (n, 4))
    found[BOX[2:]] = found[BOX[2:]].clip(lower=1)
    found["score"] = rng.uniform(size=n).round(1)  # ties
    return found.assign(area=found["bbox_width"] * found["bbox_height"])


def coco(truth, found, images, kind, sigmas=None, max_dets=100):
    """AP, AP50, AP75, AR of pycocotools on all images."""

    def entries(frame, score):
        out = []
        for i, row in enumerate(frame.to_dict("records"), 1):
            entry = {"id": i, "image_id": row["image"] + 1, "category_id": row["category"]}
            entry |= {"bbox": [row[b] for b in BOX], "area": row["area"], "iscrowd": row["iscrowd"]}
            if kind == "segm":
                entry["segmentation"] = json.loads(row["segmentation"])
            if kind == "keypoints":
                entry["keypoints"] = row["keypoints"]
                entry["num_keypoints"] = int(np.count_nonzero(row["keypoints"][2::3]))
            out.append(entry | ({"score": row["score"]} if score else {}))
        return out

    def dataset(rows):
        made = COCO()
        kinds = [{"id": int(k), "name": str(k)} for k in sorted(truth["category"].unique())]
        pictures = [{"id": i + 1, "width": 128, "height": 128} for i in range(images)]
        made.dataset = {"images": pictures, "categories": kinds, "annotations": rows}
        made.createIndex()
        return made

    with redirect_stdout(io.StringIO()):
        judge = COCOeval(dataset(entries(truth, False)), dataset(entries(found, True)), kind)
        if sigmas is not None:
            judge.params.kpt_oks_sigmas = np.array(sigmas)
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.params.maxDets = [max_dets]
        judge.evaluate()
        judge.accumulate()
    p, r = judge.eval["precision"][..., 0, 0], judge.eval["recall"][..., 0, 0]
    mean = lambda x: x[x > -1].mean()  # noqa: E731
    return [mean(p), mean(p[0]), mean(p[5]), mean(r)]


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_of_boxes_equals_cocoeval(seed):
    rng = np.random.default_rng(seed)
    truth = random_boxes(rng, 60, 12, 3)
    truth["iscrowd"] = (rng.uniform(size=60) < 0.1).astype(int)
    found = shaken(rng, truth, 90).assign(iscrowd=0)
    sizes = pd.DataFrame({"width": [128] * 12, "height": [128] * 12})
    ours = Matches("boxes", truth, found, sizes)
    whole = ours.precision(np.zeros(12, dtype=int)).iloc[0]
    assert np.allclose(whole, coco(truth, found, 12, "bbox"), atol=1e-6)
    halves = ours.precision(np.arange(12) // 6)
    for half in (0, 1):
        mine, theirs = (frame[frame["image"] // 6 == half] for frame in (truth, found))
        theirs = theirs[theirs["category"].isin(mine["category"].unique())]
        assert np.allclose(halves.loc[half], coco(mine, theirs, 12, "bbox"), atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_of_masks_and_keypoints_equals_cocoeval(seed):
    rng = np.random.default_rng(seed)
    truth = random_boxes(rng, 25, 8, 2)
    found = shaken(rng, truth, 40)

    def with_masks(frame):
        texts = []
        for x, y, w, h in frame[BOX].to_numpy():
            mask = np.zeros((128, 128), np.uint8, order="F")
            mask[max(int(y), 0) : int(y + h), max(int(x), 0) : int(x + w)] = 1
            code = coco_mask.encode(mask)
            texts.append(json.dumps({"size": code["size"], "counts": code["counts"].decode()}))
        return frame.assign(segmentation=texts)

    truth, found = with_masks(truth), with_masks(found)
    sizes = pd.DataFrame({"width": [128] * 8, "height": [128] * 8})
    ours = Matches("masks", truth, found, sizes).precision(np.zeros(8, dtype=int)).iloc[0]
    assert np.allclose(ours, coco(truth, found, 8, "segm"), atol=1e-6)

    def with_points(frame, noise):
        places = frame[["bbox_x", "bbox_y"]].to_numpy()[:, None] + rng.normal(5, noise, (1, 6, 2))
        v = rng.integers(0, 3, (len(frame), 6, 1))
        return frame.assign(keypoints=np.concatenate([places, v], 2).reshape(-1, 18).tolist())

    truth, found = with_points(truth, 1.0), with_points(found, 1.0)
    sigmas = [0.05, 0.1, 0.026, 0.08, 0.06, 0.09]
    points = Matches("keypoints", truth, found, sizes, sigmas).precision(np.zeros(8, dtype=int))
    theirs = coco(truth, found, 8, "keypoints", sigmas, max_dets=20)
    assert np.allclose(points.iloc[0], theirs, atol=1e-6)


def test_real_labels_against_shifted_copies_equal_cocoeval(results):
    labels = results.infinity.annotations().dropna(subset=BOX)  # hidden objects have no box
    rng = np.random.default_rng(0)
    found = labels[["job_id", "frame_number", "category", *BOX, "area"]].copy()
    found[BOX] += rng.normal(0, 1.5, (len(found), 4))
    found[BOX[2:]] = found[BOX[2:]].clip(lower=1)
    found["score"] = rng.uniform(size=len(found))
    scored = results.infinity.evaluate(found, task="boxes")
    images = results.infinity.images()
    place = {job: i for i, job in enumerate(images["job_id"])}
    kinds = {name: i + 1 for i, name in enumerate(sorted(labels["category"].unique()))}

    def numbered(frame):
        return frame.assign(
            image=frame["job_id"].map(place).astype(int),
            category=frame["category"].map(kinds).astype(int),
            area=frame["bbox_width"] * frame["bbox_height"],
            iscrowd=0,
        )

    expected = coco(numbered(labels), numbered(found), len(images), "bbox")
    overall = scored.attrs["evaluation"]
    names = ["ap", "ap50", "ap75", "ar"]
    assert [overall[name] for name in names] == pytest.approx(expected, abs=1e-6)
    assert len(scored) == len(results)
    assert 0.3 < scored["iou"].mean() < 1
    assert scored["scale"].notna().all()
    assert (scored["n_truth"] == scored["true_positives"] + scored["false_negatives"]).all()
    per_job = results.infinity.evaluate(found, task="boxes", per="job")
    assert per_job["ap"].tolist() == pytest.approx(scored["ap"].tolist())


def test_perfect_masks_are_perfect_and_missed_objects_count(results):
    labels = results.infinity.annotations()
    found = labels[["job_id", "frame_number", "category", "segmentation"]]
    assert np.allclose(results.infinity.evaluate(found, task="masks")["ap"], 1.0)
    first = labels.groupby("job_id", sort=False).head(1)
    one = results.infinity.evaluate(first, task="masks", per="job")
    counts = labels["job_id"].value_counts()
    assert (one["false_negatives"].to_numpy() == counts[one["job_id"]].to_numpy() - 1).all()
    assert one["recall"].to_numpy() == pytest.approx(1 / counts[one["job_id"]].to_numpy())
    nothing = results.infinity.evaluate(found.head(0), task="masks")
    assert nothing["iou"].eq(0).all()
    assert nothing["recall"].eq(0).all()


def test_a_category_that_is_never_predicted_is_named(results):
    labels = results.infinity.annotations()
    kinds = sorted(labels["category"].unique())
    assert len(kinds) > 1
    found = labels.loc[labels["category"] == kinds[0], ["job_id", "frame_number", "category", *BOX]]
    with pytest.warns(UserWarning, match=f"category {kinds[1]}.*truth=") as caught:
        missed = results.infinity.evaluate(found, task="boxes")
    assert len(caught) == 1
    assert missed["false_negatives"].sum() == (labels["category"] != kinds[0]).sum()
    alone = results.infinity.evaluate(
        found, task="boxes", truth=results.infinity.annotations(kinds[0])
    )
    assert not alone["false_negatives"].any()


def test_oks_is_its_formula_and_visible_points_can_be_chosen(results):
    points = results.infinity.keypoints()
    sprite = points.groupby("job_id")["annotation_id"].transform("max")
    points = points[points["annotation_id"] == sprite]
    labels = results.infinity.annotations()
    found = points[["job_id", "frame_number", "name", "x", "y"]].copy()
    found["x"] += np.where(points["v"] == 2, 1.0, 4.0)
    area = points[["job_id", "annotation_id"]].merge(labels, on=["job_id", "annotation_id"])["area"]
    for which, kept in (("visible", points["v"] == 2), ("labeled", points["v"] > 0)):
        scored = results.infinity.evaluate(
            found, task="keypoints", truth=points, points=which, sigmas=0.1
        )
        square = np.where(points["v"] == 2, 1.0, 16.0)
        each = np.exp(-square / (2 * (0.2**2) * area.to_numpy()))
        expected = pd.Series(each[kept]).groupby(points["job_id"][kept].to_numpy()).mean()
        shown = scored.set_index("job_id")["oks"].dropna()
        good = expected[expected >= 0.5]
        assert shown[good.index].to_numpy() == pytest.approx(good.to_numpy(), abs=1e-6)
        assert len(good) > 15
    visible = results.infinity.evaluate(found, task="keypoints", truth=points, points="visible")
    assert visible["error_px"].dropna().to_numpy() == pytest.approx(1.0)


def test_classes_and_numbers(results):
    right = results[["job_id", "shape", "scale"]].rename(columns={"shape": "prediction"})
    scored = results.infinity.evaluate(right, task="classification", target="shape")
    assert scored["correct"].eq(1).all()
    wrong = right.assign(prediction=["SQUARE"] * len(right))
    half = results.infinity.evaluate(wrong, task="classification", target="shape", per="job")
    assert half["correct"].mean() == (results["shape"] == "SQUARE").mean()
    number = right.assign(prediction=results["scale"].astype(float) + 0.1)
    scored = results.infinity.evaluate(number, task="regression", target="scale")
    assert scored["error"].to_numpy() == pytest.approx(0.1)
    assert scored.attrs["evaluation"]["squared_error"] == pytest.approx(0.01)
    # A metric never explains another metric.
    from infinity_frames.experiments.factors import METRICS, factors_of

    assert not set(factors_of(scored, "error", None)) & set(METRICS)


def test_predict_then_evaluate_says_what_is_wrong(results):
    found = results.infinity.predict(lambda x: {"prediction": x.mean((1, 2, 3))}, quiet=True)
    scored = results.infinity.evaluate(found, task="regression", target="noise")
    assert len(scored) == len(results)
    with pytest.raises(FrameError, match=r"no column 'bbox_x', which boxes need"):
        results.infinity.evaluate(found, task="boxes")
    with pytest.raises(FrameError, match=r"Unknown task 'pose'.*keypoints"):
        results.infinity.evaluate(found, task="pose")
    with pytest.raises(FrameError, match=r"There is no column 'noize'.*noise"):
        results.infinity.evaluate(found, task="regression", target="noize")
    moved = found.assign(frame_number=[5, *found["frame_number"][1:]])
    with pytest.raises(FrameError, match="1 of 24 predictions belong to no frame"):
        results.infinity.evaluate(moved, task="regression", target="noise")
    named = results.infinity.keypoints()[["job_id", "frame_number", "x", "y"]].assign(name="nose")
    with pytest.raises(FrameError, match=r"no keypoint 'nose'.*center"):
        results.infinity.evaluate(named, task="keypoints")
