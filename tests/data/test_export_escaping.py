"""Texts of strangers in exported files: every file can be parsed, and names come back."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import cv2
import label_factory as factory
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infinity_frames import read_results
from infinity_frames.data.exports.escaping import xml_text, yaml_string

NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "two\nlines\r\n",
    "nul\0",
    "\x1b[31mred",
    "noncharacter \uffff \ufffe",
    "breaks \x85 \u2028 \u2029",
    "mark \ufeff, delete \x7f, emoji \U0001f600",
    "no",
    "null",
    "{a: b}: [c # d",
    "!!python/object/apply:os.system ['id']",
    "]]> & it's",
    "../../outside",
    "",
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("escaping") / "run"
    jobs = [{"id": f"job-{n}", "frames": 1, "preview": True} for n in range(len(NAMES))]
    factory.write_batch(root, jobs)
    for number, name in enumerate(NAMES):
        file = root / f"job-{number}" / "labels.json"
        labels = json.loads(file.read_text())
        labels["categories"][0]["name"] = name
        file.write_text(json.dumps(labels))
        # Frames without a readable picture are left out of exports.
        picture = np.full((16, 16, 3), 90, np.uint8)
        assert cv2.imwrite(str(file.with_name("video_preview.png")), picture)
    found = read_results(root, quiet=True)
    found["split"] = ["train", *["val"] * (len(found) - 1)]
    return found


def test_names_of_classes_come_back_from_yaml(results, tmp_path):
    results.infinity.export(tmp_path / "out", "yolo-detect", quiet=True)
    read = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text("utf-8"))["names"]
    assert set(NAMES) <= set(read.values())


def test_labels_for_tools_are_xml_and_agree_with_each_other(results, tmp_path):
    results.infinity.export(tmp_path / "cvat", "cvat", quiet=True)
    boxes = list(ET.parse(tmp_path / "cvat" / "annotations.xml").iter("box"))
    assert boxes
    results.infinity.export(tmp_path / "studio", "label-studio", quiet=True)
    config = ET.parse(tmp_path / "studio" / "label_config.xml")
    offered = {label.get("value") for label in config.iter("Label")}
    tasks = json.loads((tmp_path / "studio" / "tasks.json").read_text("utf-8"))
    used = {
        label
        for task in tasks
        for result in task["annotations"][0]["result"]
        for label in result["value"].get("rectanglelabels", [])
    }
    assert used <= offered
    assert {xml_text(name) for name in NAMES} <= offered


@given(st.text())
def test_any_text_comes_back_from_yaml(text):
    assert yaml.safe_load("x: " + yaml_string(text)) == {"x": text}


@given(st.text(st.characters(codec=None)))
def test_any_text_is_xml_afterwards(text):
    element = ET.Element("x", {"a": xml_text(text)})
    assert ET.fromstring(ET.tostring(element)).get("a") == xml_text(text)
