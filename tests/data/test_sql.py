"""SQL over results: views, types, parameters, the user's own tables, and what errors say."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import label_factory as factory
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infinity_frames.data import database, read_results, run_sql, table
from infinity_frames.protocol.errors import QueryError
from infinity_frames.protocol.schemas import context

LABEL_TABLES = (
    "scenes",
    "images",
    "annotations",
    "keypoints",
    "cuboids",
    "timeseries",
    "categories",
)


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    return factory.small_batch(tmp_path_factory.mktemp("sql") / "run")


@pytest.fixture(scope="module")
def results(batch):
    return read_results(batch)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT sum(range % 7) FROM range(1000000000000)",
        # One that DuckDB itself never gives up.
        "SELECT sum(a.range * b.range) FROM range(3000000) a, range(300000) b",
    ],
)
def test_ctrl_c_stops_a_query_as_it_stops_python(tmp_path, query):
    script = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's job ignores it
from infinity_frames.data import read_results, run_sql
results = read_results({str(factory.small_batch(tmp_path / "a"))!r}, quiet=True)
run_sql(results, "SELECT 1 AS one")
print("ready", flush=True)
try:
    run_sql(results, {query!r})
except Exception as error:
    print("swallowed", type(error).__name__)
except KeyboardInterrupt:
    print("interrupted", run_sql(results, "SELECT 1 AS one")["one"].tolist(), flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            pressed = time.monotonic()
            assert child.stdout.readline() == "interrupted [1]\n"
            took = time.monotonic() - pressed
        finally:
            child.kill()
    assert took < 1.5


@pytest.mark.parametrize("name", [name for name in LABEL_TABLES if name != "timeseries"])
def test_views_hold_what_the_tables_hold(results, name):
    expected = table(results, name)
    # A set of keypoints' names is a category in a frame, and plain text in SQL.
    out = run_sql(results, f"SELECT * FROM {name}").astype(expected.dtypes.to_dict())
    ids = {"frame_number", "annotation_id", "skeleton", "name", "corner", "sample", "category_id"}
    keys = ["job_id", *ids.intersection(out.columns)]
    pd.testing.assert_frame_equal(
        out.sort_values(keys, ignore_index=True),
        expected.sort_values(keys, ignore_index=True),
    )


def test_jobs_is_exactly_the_given_frame(results):
    own = pd.DataFrame({"weight": 1.5, "note": "mine"}, index=results.index)
    mine = results.join(own.convert_dtypes(dtype_backend="numpy_nullable"))[::-1]
    out = run_sql(mine, "SELECT * FROM jobs")
    pd.testing.assert_frame_equal(out, mine.reset_index(drop=True), check_categorical=False)
    assert out["status"].dtype == "category"


def test_the_views_hold_only_the_jobs_of_the_frame(results):
    chosen = results[results["num_reps"] == 3]
    for name in ("batch", *LABEL_TABLES):
        ids = run_sql(chosen, f"SELECT DISTINCT job_id FROM {name}")["job_id"]
        assert set(ids) <= {"job-a"}
    counted = run_sql(chosen, "SELECT count(*) AS n FROM images")["n"]
    assert counted.tolist() == [3]


def test_batch_holds_failed_jobs_too(results):
    out = run_sql(results, "SELECT job_id, status, seed, created FROM batch ORDER BY seed")
    assert out["job_id"].tolist() == results["job_id"].tolist()
    assert out["status"].tolist() == results["status"].tolist()
    assert str(out["created"].dtype) == "datetime64[us, UTC]"
    assert out["created"][0] == pd.Timestamp("2026-01-02T03:04:05Z")


def test_jobs_that_were_never_downloaded_can_be_asked_about(results):
    failed = results[results["status"] == "failed"]
    out = run_sql(
        failed, "SELECT job_id, status, error FROM batch JOIN jobs USING (job_id, status, error)"
    )
    assert out["error"].tolist() == ["out of memory"]
    assert run_sql(failed, "SELECT * FROM annotations").empty


def test_results_keep_types_and_context(results):
    out = run_sql(
        results,
        """
        SELECT job_id, status, is_preview, num_reps, camera_distance, num_frames,
               sum(num_reps) OVER () AS total, 1.5 AS half, now() AS moment,
               DATE '2026-01-02' AS day, [1, 2] AS list, uuid() AS id
        FROM jobs
        """,
    )
    dtypes = {name: str(dtype) for name, dtype in out.dtypes.items()}
    assert dtypes == {
        "job_id": "string",
        "status": "category",
        "is_preview": "boolean",
        "num_reps": "Int64",
        "camera_distance": "Float64",
        "num_frames": "Int64",
        "total": "Int64",
        "half": "Float64",
        "moment": "datetime64[us, UTC]",
        "day": dtypes["day"],
        "list": "object",
        "id": "string",
    }
    assert dtypes["day"].startswith("datetime64")
    assert out["num_frames"].isna().sum() == 2
    assert out["list"][0] == [1, 2]
    assert context(out) == context(results)


@pytest.mark.slow
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.booleans(),
            st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_typed_frame_survives_sql(results, rows):
    dtypes = {"i": "Int64", "f": "Float64", "b": "boolean", "s": "string"}
    frame = pd.DataFrame(rows, columns=list(dtypes), dtype=object).astype(dtypes)
    failed = results[results["status"] == "failed"]
    out = run_sql(failed, "SELECT * FROM mine", tables={"mine": frame})
    pd.testing.assert_frame_equal(out, frame)


def test_sums_beyond_64_bits_stay_exact(results):
    out = run_sql(results, "SELECT sum(9223372036854775807) AS n FROM jobs")
    assert [int(n) for n in out["n"]] == [len(results) * (2**63 - 1)]


def test_a_query_in_pandas_then_one_in_sql_agree(results):
    chosen = results.query("camera_distance < 4").sort_values("job_id")
    out = run_sql(
        chosen,
        "SELECT job_id, avg(percent_in_fov) AS mean FROM annotations "
        "WHERE category = 'person' GROUP BY job_id ORDER BY job_id",
    )
    downloaded = chosen.dropna(subset="path")
    assert out["job_id"].tolist() == downloaded["job_id"].tolist()
    assert out["mean"].tolist() == pytest.approx(downloaded["avg_percent_in_fov"].tolist())


@pytest.mark.parametrize(
    "value",
    [3, np.int64(3), pd.Series([3]).iloc[0], 3.0, np.float32(3)],
    ids=["int", "numpy int", "pandas", "float", "numpy float"],
)
def test_parameters_of_any_kind_of_number(results, value):
    out = run_sql(results, "SELECT job_id FROM jobs WHERE num_reps = $reps", {"reps": value})
    assert out["job_id"].tolist() == ["job-a"]


def test_parameters_of_other_kinds(results, batch):
    where = {
        "path = $value": batch / "job-a",
        "job_id IN (SELECT unnest($value))": np.array(["job-a"]),
        "num_reps IS NOT DISTINCT FROM coalesce($value, 3)": pd.NA,
        "job_id = 'job-a' AND now() > $value": pd.Timestamp("2020-01-01", tz="UTC"),
    }
    for condition, value in where.items():
        found = run_sql(results, f"SELECT job_id FROM jobs WHERE {condition}", {"value": value})
        assert found["job_id"].tolist() == ["job-a"]


def test_several_statements_return_the_last_ones_rows(results):
    out = run_sql(
        results,
        "CREATE TABLE long AS SELECT * FROM jobs WHERE num_reps >= $reps;"
        "SELECT count(*) AS n FROM long WHERE num_reps < $most",
        {"reps": 3, "most": 9},
    )
    assert out["n"].tolist() == [1]


def test_tables_of_the_users_own(results):
    weights = pd.DataFrame({"exercise": ["SITUP", "PUSHUP"], "weight": [2, 1]}).set_index(
        "exercise"
    )
    out = run_sql(
        results,
        "SELECT job_id, weight FROM jobs JOIN weights USING (exercise) ORDER BY job_id LIMIT 2",
        tables={"weights": weights},
    )
    assert out["weight"].tolist() == [1, 2]


def test_a_table_cannot_take_the_name_of_a_view(results):
    with pytest.raises(QueryError, match="'images'"):
        run_sql(results, "SELECT 1", tables={"images": pd.DataFrame({"a": [1]})})


def test_columns_of_mixed_values_become_text(results):
    odd = pd.DataFrame({"odd": [1, "x", None, 2.5]}, dtype=object)
    out = run_sql(results, "SELECT odd FROM mine", tables={"mine": odd})
    assert out["odd"].tolist() == ["1", "x", pd.NA, "2.5"]


@pytest.mark.parametrize(
    ("query", "near"),
    [
        ("SELECT camera_distanc FROM jobs", ["camera_distance (in jobs, batch)"]),
        ("SELECT jobs.camera_distanc FROM jobs", ["camera_distance (in jobs, batch)"]),
        ("SELECT occlusion FROM annotations", ["percent_occlusion (in annotations)"]),
        ("SELECT exercise FROM keypoints", ["exercise (in jobs, batch)"]),
        ("SELECT * FROM jobs JOIN images USING (jobid)", ["job_id (in jobs, "]),
        ("SELECT * EXCLUDE (bbox) FROM annotations", ["bbox_x (in annotations)"]),
        ("SELECT weigth FROM mine", ["weight (in mine)"]),
        ("SELECT zzz FROM jobs", ["jobs", "batch", *LABEL_TABLES, "DESCRIBE jobs"]),
        ("SELECT * FROM annotation", ["Did you mean annotations"]),
        ("SELECT * FROM zzz", ["jobs", "batch", "mine", *LABEL_TABLES]),
    ],
)
def test_a_name_that_is_nowhere_is_answered_by_the_nearest(results, query, near):
    mine = {"mine": pd.DataFrame({"weight": [1]})}
    with pytest.raises(QueryError) as caught:
        run_sql(results, query, tables=mine)
    text = str(caught.value)
    assert all(name in text for name in near)
    assert len(text) < 400, "not every column there is"
    assert "Candidate" not in text
    assert "pg_" not in text


@pytest.mark.parametrize(
    ("query", "said"), [("SELEC 1", "SELEC"), ("SELECT $a", "a"), ("SELECT 1 / 'x'", "'x'")]
)
def test_another_mistake_is_said_in_the_words_of_duckdb(results, query, said):
    with pytest.raises(QueryError, match=f"cannot run: .*{said}") as caught:
        run_sql(results, query)
    assert caught.value.advice is None
    assert caught.value.where["query"] == query
    assert caught.value.__cause__ is None


def test_a_parameter_that_the_query_does_not_take_is_said(results):
    with pytest.raises(QueryError, match=r"no parameter \$rep\b") as caught:
        run_sql(results, "SELECT $reps", {"reps": 1, "rep": 2})
    assert "$reps" in str(caught.value)


def test_a_variable_of_the_caller_is_no_table(results):
    mine = pd.DataFrame({"a": [1]})
    with pytest.raises(QueryError, match="mine"):
        run_sql(results, "SELECT * FROM mine")
    assert len(mine) == 1


def test_a_plain_connection_of_a_folder_or_a_frame(results, batch):
    for given_ in (batch, str(batch), results):
        with database(given_) as connection:
            count = connection.sql("SELECT count(DISTINCT job_id) FROM images").fetchall()
            assert count == [(3,)]


def test_threads_each_have_a_cursor(batch):
    answers: list[list[tuple[int]]] = []
    with database(batch) as connection:

        def ask() -> None:
            cursor = connection.cursor()
            sql = "SELECT count(*) FROM images JOIN jobs USING (job_id)"
            answers.append(cursor.execute(sql).fetchall())

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [[(7,)]] * 4


def test_jobs_of_several_batches_are_asked_together(tmp_path):
    first = read_results(factory.write_batch(tmp_path / "a", [{"id": "a", "frames": 1}]))
    second = read_results(factory.write_batch(tmp_path / "b'c", [{"id": "b", "frames": 2}]))
    out = run_sql(
        pd.concat([first, second]),
        "SELECT batch_id, count(*) AS n FROM images JOIN jobs USING (job_id) "
        "GROUP BY ALL ORDER BY 1",
    )
    assert list(out.itertuples(index=False, name=None)) == [("batch-a", 1), ("batch-b'c", 2)]


def test_what_our_types_cannot_hold_stays_what_it_is(results):
    answer = run_sql(
        results,
        "SELECT 0.12345678901234567890123456789::DECIMAL(38,30) AS fine,"
        " '2020-01-01 00:00:00.123456789'::TIMESTAMP_NS AS moment, sum(1.5) AS plain FROM range(2)",
    )
    assert str(answer["fine"].iloc[0]).startswith("0.12345678901234567890123456789")
    assert answer["moment"].iloc[0].nanosecond == 789
    assert answer["plain"].dtype == "Float64"
    assert answer["plain"].iloc[0] == 3.0


def test_two_columns_of_one_name_are_said(results):
    with pytest.raises(QueryError, match="several columns called a"):
        run_sql(results, "SELECT 1 AS a, [1] AS a")
