-- How long repetitions take, by exercise: seconds per rep while one is under way, and the share of
-- time in which the count stands still (delays and pauses between reps).
WITH steps AS (
    SELECT
        job_id,
        time - lag(time) OVER frames AS seconds,
        rep_count_from_start - lag(rep_count_from_start) OVER frames AS reps
    FROM images
    WINDOW frames AS (PARTITION BY job_id ORDER BY frame_number)
),
videos AS (
    SELECT
        job_id,
        sum(reps) AS reps,
        sum(seconds) FILTER (reps > 0) AS moving,
        sum(seconds) AS total
    FROM steps
    WHERE seconds IS NOT NULL
    GROUP BY job_id
)
SELECT
    jobs.exercise,
    count(*) AS jobs,
    sum(videos.reps) AS reps,
    sum(videos.moving) / sum(videos.reps) AS seconds_per_rep,
    min(videos.moving / videos.reps) AS fastest,
    max(videos.moving / videos.reps) AS slowest,
    1 - sum(videos.moving) / sum(videos.total) AS share_still
FROM videos
JOIN jobs USING (job_id)
WHERE videos.reps > 0
GROUP BY ALL
ORDER BY jobs.exercise;
