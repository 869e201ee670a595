"""Rules, defaults, sampling and sweeps, on frames as users make them."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import KITCHEN

from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, InvalidJobs
from infinity_frames.protocol.spec import Generator

DTYPES = {
    "servings": "Int64",
    "heat": "Float64",
    "noise": "boolean",
    "note": "string",
    "state": "string",
    "rate": "Int64",
}


def broken(**job):
    """The rules one job breaks, as {(parameter, rule)}."""
    found = parameters.violations(KITCHEN, parameters.frame(KITCHEN, [job]))
    return set(zip(found["parameter"], found["rule"], strict=True))


def test_description_survives_json():
    again = Generator.from_json(json.loads(json.dumps(KITCHEN.to_json())))
    assert again.to_json() == KITCHEN.to_json()
    assert again.parameters == KITCHEN.parameters
    assert again.constraints == KITCHEN.constraints


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"servings": 2.7}, {("servings", "type")}),
        ({"servings": True}, {("servings", "type")}),
        ({"servings": np.bool_(True)}, {("servings", "type")}),
        ({"rate": 24.9}, {("rate", "type")}),
        ({"rate": 25}, {("rate", "choices")}),
        ({"heat": float("inf")}, {("heat", "type")}),
        ({"heat": "inf"}, {("heat", "type")}),
        ({"heat": "warm"}, {("heat", "type")}),
        ({"heat": True}, {("heat", "type")}),
        ({"heat": [1.0]}, {("heat", "type")}),
        ({"heat": 3.0}, {("heat", "max")}),
        ({"heat": 0.0}, {("heat", "min")}),
        ({"state": "an earlier one"}, {("state", "type")}),
        ({"state": 7}, {("state", "type")}),
        ({"noise": "maybe"}, {("noise", "type")}),
        ({"noise": 1}, {("noise", "type")}),
        ({"dish": "STEW"}, {("dish", "choices")}),
        ({"dish": 3}, {("dish", "type")}),
        ({"servings": 10**30}, {("servings", "type")}),
        ({"servings": 10**400}, {("servings", "type")}),
        ({"heat": 10**400}, {("heat", "type")}),
        ({"servings": {"a": 1}}, {("servings", "type")}),
        ({"start": 0.5, "end": 0.5}, {("start", "constraint")}),
        ({"dish": "CAKE", "start": 0.5}, {("start", "constraint")}),
        ({"speed": 3}, {("speed", "unknown")}),
        (
            {"servings": 99, "heat": "x", "dish": "STEW", "oops": 1},
            {("servings", "max"), ("heat", "type"), ("dish", "choices"), ("oops", "unknown")},
        ),
    ],
)
def test_bad_values_are_reported_and_only_they(job, expected):
    assert broken(**job) == expected


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"servings": 2.0},
        {"servings": "2"},
        {"heat": "1.02"},
        {"heat": 1},
        {"heat": np.float32(1.5)},
        {"servings": np.int64(3), "rate": 30},
        {"servings": None, "heat": float("nan"), "state": pd.NA, "dish": None},
        {"state": str(uuid.uuid4())},
        {"state": uuid.uuid4()},
        {"start": 0.6, "end": 0.3},
        {"noise": np.bool_(False)},
        {"oops": None},
        {"tag_mine": [1, 2]},
    ],
)
def test_good_values_pass_and_become_typed(job):
    out = parameters.validate(KITCHEN, parameters.frame(KITCHEN, [job]))
    for name in out.columns:
        if name in DTYPES:
            assert out[name].dtype == DTYPES[name]
    parameters.jobs_schema(KITCHEN).validate(out)


def test_every_broken_rule_of_every_job_in_one_frame():
    jobs = pd.DataFrame(
        {"servings": [1, 99, 0], "heat": [0.5, 0.5, 9.0], "start": [0.9, 0.0, 0.5], "end": 0.3},
        index=["a", "b", "c"],
    )
    found = parameters.violations(KITCHEN, jobs)
    assert found[["position", "label", "parameter", "rule"]].values.tolist() == [
        [0, "a", "start", "constraint"],
        [1, "b", "servings", "max"],
        [2, "c", "servings", "min"],
        [2, "c", "heat", "max"],
    ]
    message = found["message"].iloc[1]
    assert "servings is 99" in message
    assert "at most 20" in message
    with pytest.raises(InvalidJobs, match="3 jobs broke a rule") as caught:
        parameters.validate(KITCHEN, jobs)
    pd.testing.assert_frame_equal(caught.value.violations, found)


def test_a_message_proposes_what_was_meant():
    found = parameters.violations(KITCHEN, pd.DataFrame([{"servngs": 1, "dish": "CAKES"}]))
    assert "did you mean servings?" in found["message"].iloc[0]
    assert "CAKE" in found["message"].iloc[1]
    rate = parameters.violations(KITCHEN, pd.DataFrame({"rate": [25]}))
    assert rate["message"].iloc[0] == "rate is 25; it must be one of 30, 24, 12"


def test_a_fault_that_all_jobs_share_is_told_once():
    with pytest.raises(InvalidJobs, match=r"40 jobs: kitchen-v1\.2\.0 has no parameter heet") as e:
        parameters.sample(KITCHEN, 40, fixed={"heet": 1.0})
    assert str(e.value).count("heet") == 1
    assert "did you mean heat?" in str(e.value)
    assert "?." not in str(e.value)
    assert "clip" not in str(e.value)


def test_a_draft_keeps_what_does_not_fit():
    jobs = parameters.frame(KITCHEN, [{"servings": 2}, {"servings": 2.5}, {"servings": "x"}])
    assert jobs["servings"].tolist() == [2, 2.5, "x"]
    with pytest.raises(FrameError, match="Job 1 is a NoneType"):
        parameters.frame(KITCHEN, [{"servings": 2}, None])  # type: ignore[list-item]


def _dicts(jobs: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", jobs.to_dict("records"))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.uuids(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    st.sampled_from(
        ["\ud800", [[1], [1, 2]], "SOUP", "CAKE", 24, 24.0, "24", np.nan, pd.NA, pd.NaT]
    ),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(list(KITCHEN.by_name)), scalars), max_size=4))
def test_no_value_crashes_and_none_bad_gets_through(jobs):
    draft = parameters.frame(KITCHEN, jobs)
    found = parameters.violations(KITCHEN, draft)
    bad = set(found["position"])
    good = draft[[position not in bad for position in range(len(draft))]]
    valid = parameters.validate(KITCHEN, good)
    assert len(valid) == len(jobs) - len(bad)
    for record in parameters.records(KITCHEN, parameters.fill(KITCHEN, valid)):
        assert json.loads(json.dumps(record, allow_nan=False)) == record
        for name, value in record.items():
            parameter = KITCHEN.by_name[name]
            python = {"int": int, "float": float, "bool": bool}.get(parameter.type, str)
            assert type(value) is python
            assert parameter.choices is None or value in parameter.choices
            assert parameter.min is None or parameter.min <= cast("float", value)
            assert parameter.max is None or parameter.max >= cast("float", value)


def test_records_round_trip_through_dicts_csv_and_parquet(tmp_path):
    jobs = parameters.sample(KITCHEN, 50, seed=1, fixed={"tag_fold": list(range(50))})
    expected = parameters.records(KITCHEN, jobs)
    ways = {
        "dicts": parameters.frame(KITCHEN, _dicts(pd.DataFrame.from_records(expected))),
        "csv": parameters.frame(KITCHEN, pd.read_csv(io.StringIO(jobs.to_csv(index=False)))),
    }
    jobs.to_parquet(tmp_path / "jobs.parquet")
    ways["parquet"] = parameters.frame(KITCHEN, pd.read_parquet(tmp_path / "jobs.parquet"))
    for way, again in ways.items():
        assert not len(parameters.violations(KITCHEN, again)), way
        for got, want in zip(parameters.records(KITCHEN, again), expected, strict=True):
            assert got == pytest.approx(want), way
    assert parameters.tags(jobs)[3] == {"fold": 3}


def test_fill_takes_defaults_and_changes_nothing_specified():
    jobs = parameters.frame(KITCHEN, [{"heat": 2.0}, {"dish": "CAKE", "tag_x": "y"}])
    out = parameters.fill(KITCHEN, jobs)
    assert list(out.columns) == [*KITCHEN.by_name, "tag_x"]
    assert out["heat"].tolist() == [2.0, 0.5]
    assert out["dish"].tolist() == ["SOUP", "CAKE"]
    assert out["random_seed"].isna().all()
    wrong = parameters.fill(KITCHEN, parameters.frame(KITCHEN, [{"heat": "hot"}, {}]))
    assert wrong["heat"].tolist() == ["hot", 0.5]


def test_fill_at_random_keeps_the_joint_rules():
    jobs = parameters.frame(KITCHEN, [{"dish": "CAKE"}, {"start": 0.8}] * 100)
    out = parameters.fill(KITCHEN, jobs, random=True, seed=3)
    assert not len(parameters.violations(KITCHEN, out))
    assert (out["start"][::2] == 0).all()
    assert (out["end"][1::2] <= 0.1 + 1e-9).all()
    assert out["servings"].max() > 10  # the whole range, not the sensible part
    pd.testing.assert_frame_equal(out, parameters.fill(KITCHEN, jobs, random=True, seed=3))


def test_sample_is_sensible_repeatable_and_valid():
    jobs = parameters.sample(KITCHEN, 2000, seed=0)
    parameters.validate(KITCHEN, jobs)
    pd.testing.assert_frame_equal(jobs, parameters.sample(KITCHEN, 2000, seed=0))
    assert jobs["servings"].between(1, 10).all()
    assert set(zip(jobs["width"], jobs["height"], strict=True)) == {(256, 256), (512, 512)}
    assert jobs["noise"].all()
    assert jobs["bowl"].mean() == pytest.approx(0.25, abs=0.05)
    assert jobs["salt"].std() == pytest.approx(1, abs=0.1)
    assert jobs["random_seed"].nunique() == 2000
    assert jobs["state"].isna().all()
    other = parameters.sample(KITCHEN, 2000, seed=1)
    assert not jobs["heat"].equals(other["heat"])


def test_fixing_one_parameter_leaves_the_others_alone():
    free = parameters.sample(KITCHEN, 20, seed=5)
    fixed = parameters.sample(KITCHEN, 20, seed=5, fixed={"heat": 1.0})
    pd.testing.assert_frame_equal(free.drop(columns="heat"), fixed.drop(columns="heat"))


def test_ways_to_fix_a_value():
    n = 400
    jobs = parameters.sample(
        KITCHEN,
        n,
        seed=2,
        given=pd.DataFrame({"bowl": [4] * n}),
        fixed={
            "servings": np.arange(n) % 3 + 1,
            "dish": {"SOUP": 1, "PIE": 3},
            "heat": scipy.stats.norm(1, 1),
            "salt": lambda df, rng: df["heat"] + rng.normal(0, 0.1, len(df)),
            "width": 512,
            "tag_who": "me",
        },
    )
    assert jobs["bowl"].eq(4).all()
    assert jobs["servings"].tolist()[:4] == [1, 2, 3, 1]
    assert set(jobs["dish"]) == {"SOUP", "PIE-LEFT", "PIE-RIGHT"}
    assert jobs["dish"].eq("SOUP").mean() == pytest.approx(0.25, abs=0.08)
    assert jobs["heat"].between(0.1, 2.75).all()
    assert jobs["salt"].corr(jobs["heat"]) > 0.9
    assert jobs["height"].eq(512).all()
    assert jobs["tag_who"].eq("me").all()


def test_a_function_sees_what_is_given_and_drawn_whatever_the_order():
    jobs = parameters.sample(
        KITCHEN,
        50,
        seed=3,
        given=pd.DataFrame({"bowl": [4, 1] * 25}),
        fixed={
            "servings": lambda df, rng: (
                df["bowl"] + df["rate"] // 12
            ),  # both come later in the list
            "heat": lambda df, rng: df["servings"] / 10,
        },
    )
    assert jobs["servings"].equals(jobs["bowl"] + jobs["rate"] // 12)
    assert jobs["heat"].tolist() == pytest.approx((jobs["servings"] / 10).tolist())
    with pytest.raises(FrameError, match="for servings reads 'pots'"):
        parameters.sample(KITCHEN, 3, fixed={"servings": lambda df, rng: df["pots"]})


def test_outside_a_range_clips_redraws_or_raises():
    wide = scipy.stats.norm(1, 5)
    clipped = parameters.sample(KITCHEN, 300, seed=0, fixed={"heat": wide}, outside="clip")
    assert clipped["heat"].isin([0.1, 2.75]).mean() > 0.3
    redrawn = parameters.sample(KITCHEN, 300, seed=0, fixed={"heat": wide})
    assert not redrawn["heat"].isin([0.1, 2.75]).any()
    with pytest.raises(InvalidJobs, match="heat"):
        parameters.sample(KITCHEN, 300, seed=0, fixed={"heat": wide}, outside="raise")
    with pytest.raises(InvalidJobs, match=r"at most 2\.75 kW"):
        parameters.sample(KITCHEN, 3, fixed={"heat": 9.0})
    with pytest.raises(InvalidJobs, match="joint rules"):
        parameters.sample(KITCHEN, 3, fixed={"start": 0.6, "end": 0.6})
    with pytest.raises(FrameError, match="2 values, but 3 jobs"):
        parameters.sample(KITCHEN, 3, fixed={"heat": [1.0, 2.0]})
    with pytest.raises(FrameError, match=r"rng\.uniform"):
        parameters.sample(KITCHEN, 3, fixed={"heat": (0.5, 1.5)})
    with pytest.raises(FrameError, match="Invalid number of jobs -1"):
        parameters.sample(KITCHEN, -1)
    with pytest.raises(FrameError, match="weights"):
        parameters.sample(KITCHEN, 3, fixed={"dish": {"SOUP": -1.0}})
    with pytest.raises(FrameError, match="outside"):
        parameters.sample(KITCHEN, 3, outside="ignore")  # type: ignore[arg-type]


def test_sweep_copies_share_a_seed_and_name_their_base():
    jobs = parameters.frame(KITCHEN, pd.DataFrame({"heat": [1.0, 2.0]}, index=["a", "b"]))
    out = parameters.sweep(
        KITCHEN, jobs, "product", {"servings": [1, 2, 3], "cover": [False, True]}
    )
    assert len(out) == 12
    assert out["tag_base"].tolist() == ["a"] * 6 + ["b"] * 6
    assert out.groupby("tag_base")["random_seed"].nunique().tolist() == [1, 1]
    assert out["random_seed"].nunique() == 2
    assert out["servings"].tolist()[:6] == [1, 1, 2, 2, 3, 3]
    parameters.validate(KITCHEN, out)
    zipped = parameters.sweep(KITCHEN, jobs, "zip", {"servings": [1, 2], "cover": [False, True]})
    assert len(zipped) == 4
    given_frame = parameters.sweep(KITCHEN, jobs, [{"servings": 5}, {"servings": 6}])
    assert given_frame["servings"].tolist() == [5, 6, 5, 6]
    ragged = parameters.sweep(KITCHEN, jobs, [{"servings": 5}, {"heat": 0.5}])
    assert ragged["heat"].tolist() == [1.0, 0.5, 2.0, 0.5]
    with pytest.raises(FrameError, match="differ in number"):
        parameters.sweep(KITCHEN, jobs, "zip", {"servings": [1], "cover": [False, True]})
    with pytest.raises(FrameError, match="did you mean heat"):
        parameters.sweep(KITCHEN, jobs, "product", {"heet": [1.0]})
    with pytest.raises(FrameError, match="nothing to sweep"):
        parameters.sweep(KITCHEN, jobs)


def test_sweep_of_submitted_rows_repeats_their_state():
    job_ids = [str(uuid.uuid4()) for _ in range(2)]
    rows = pd.DataFrame(
        {"batch_id": "b", "job_id": job_ids, "status": "completed", "heat": [1.0, 2.0]}
    )
    out = parameters.sweep(KITCHEN, rows, "product", {"servings": [1, 2]})
    assert out["state"].tolist() == [job_ids[0]] * 2 + [job_ids[1]] * 2
    assert out["tag_base"].tolist() == out["state"].tolist()
    assert "status" not in out.columns
    assert out["random_seed"].isna().all()
    fresh = parameters.reseeded(KITCHEN, parameters.seeded(KITCHEN, rows).assign(job_id=job_ids))
    assert fresh["state"].isna().all()
    assert fresh["random_seed"].notna().all()


def test_parameters_in_the_index_are_columns_too():
    jobs = pd.DataFrame({"bowl": [1, 2], "heat": [0.5, 0.6]}).set_index("bowl")
    assert parameters.frame(KITCHEN, jobs)["bowl"].tolist() == [1, 2]
    assert parameters.validate(KITCHEN, jobs)["bowl"].tolist() == [1, 2]
    assert parameters.sample(KITCHEN, 2, seed=1, given=jobs)["bowl"].tolist() == [1, 2]
    assert parameters.sweep(KITCHEN, jobs, jobs)["bowl"].tolist() == [1, 2] * 2
    jobs["bowl"] = [3, 4]
    with pytest.raises(FrameError, match="both a column and a level of the index"):
        parameters.frame(KITCHEN, jobs)


def test_rows_to_sweep_are_combined_with_keywords():
    jobs = pd.DataFrame({"heat": [0.5]})
    swept = parameters.sweep(KITCHEN, jobs, [{"bowl": 1}, {"bowl": 2}], {"heat": [0.1, 0.2]})
    assert swept[["bowl", "heat"]].values.tolist() == [[1, 0.1], [1, 0.2], [2, 0.1], [2, 0.2]]
    with pytest.raises(FrameError, match="swept twice"):
        parameters.sweep(KITCHEN, jobs, [{"bowl": 1}], {"bowl": [2]})


def test_jobs_with_a_multi_index_can_be_swept():
    index = pd.MultiIndex.from_product([["a", "b"], [0, 1]])
    jobs = pd.DataFrame({"heat": [0.5] * 4}, index=index)
    swept = parameters.sweep(KITCHEN, jobs, "product", {"bowl": [1, 2]})
    assert swept["tag_base"].unique().tolist() == ["a, 0", "a, 1", "b, 0", "b, 1"]


@pytest.mark.parametrize("values", [[np.inf, 1.0], [-np.inf, "x"]])
def test_an_infinite_tag_is_refused(values):
    with pytest.raises(FrameError, match="tag_snr of job 0 is infinite"):
        parameters.tags(pd.DataFrame({"tag_snr": values}))


@pytest.mark.parametrize("seed", ["1", -1, 1.5, True])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(FrameError, match="Invalid seed"):
        parameters.sample(KITCHEN, 1, seed=seed)


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(FrameError, match="Invalid weights"):
        parameters.sample(KITCHEN, 2, fixed={"bowl": {1: "often", 2: "never"}})
