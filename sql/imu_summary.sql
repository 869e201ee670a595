-- What each inertial sensor did: its rate, how far its axes stood from the vertical, and how fast it
-- turned. The angle between two orientations is acos((trace(A' B) - 1) / 2).
WITH turns AS (
    SELECT
        job_id,
        time,
        rotation_matrix_m33 AS upright,
        time - lag(time) OVER samples AS seconds,
        rotation_matrix_m11 * lag(rotation_matrix_m11) OVER samples
        + rotation_matrix_m12 * lag(rotation_matrix_m12) OVER samples
        + rotation_matrix_m13 * lag(rotation_matrix_m13) OVER samples
        + rotation_matrix_m21 * lag(rotation_matrix_m21) OVER samples
        + rotation_matrix_m22 * lag(rotation_matrix_m22) OVER samples
        + rotation_matrix_m23 * lag(rotation_matrix_m23) OVER samples
        + rotation_matrix_m31 * lag(rotation_matrix_m31) OVER samples
        + rotation_matrix_m32 * lag(rotation_matrix_m32) OVER samples
        + rotation_matrix_m33 * lag(rotation_matrix_m33) OVER samples AS trace
    FROM timeseries
    WINDOW samples AS (PARTITION BY job_id ORDER BY sample)
),
speeds AS (
    SELECT *, degrees(acos(greatest(-1, least(1, (trace - 1) / 2)))) AS turned FROM turns
)
SELECT
    job_id,
    count(*) AS samples,
    max(time) - min(time) AS seconds,
    1 / avg(seconds) AS samples_per_second,
    min(degrees(acos(greatest(-1, least(1, upright))))) AS least_tilt_deg,
    max(degrees(acos(greatest(-1, least(1, upright))))) AS most_tilt_deg,
    sum(turned) AS turned_deg,
    sum(turned) / sum(seconds) AS mean_deg_per_second,
    max(turned / seconds) AS most_deg_per_second
FROM speeds
GROUP BY job_id
ORDER BY job_id;
