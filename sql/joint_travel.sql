-- How far joints move, by exercise: meters travelled per second of video, and the range of heights
-- above the floor.
--   $pattern = "%wrist"    names of joints, as LIKE takes them
WITH steps AS (
    SELECT
        keypoints.job_id,
        keypoints.name,
        images.time - lag(images.time) OVER frames AS seconds,
        sqrt(
            (x_global - lag(x_global) OVER frames) ** 2
            + (y_global - lag(y_global) OVER frames) ** 2
            + (z_global - lag(z_global) OVER frames) ** 2
        ) AS meters,
        z_global AS height
    FROM keypoints
    JOIN images USING (job_id, image_id)
    WHERE keypoints.skeleton = 'armature' AND keypoints.name LIKE $pattern
    WINDOW frames AS (
        PARTITION BY keypoints.job_id, keypoints.name
        ORDER BY keypoints.frame_number
    )
)
SELECT
    jobs.exercise,
    steps.name,
    count(DISTINCT job_id) AS jobs,
    sum(steps.meters) / sum(steps.seconds) AS metres_per_second,
    min(steps.height) AS lowest,
    max(steps.height) AS highest
FROM steps
JOIN jobs USING (job_id)
GROUP BY ALL
ORDER BY jobs.exercise, steps.name;
