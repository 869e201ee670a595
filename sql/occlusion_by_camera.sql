-- How much of the person is hidden and inside the picture, against where the camera stands.
--   $distance_step = 0.5     meters per class of camera distance
--   $height_step = 0.5       meters per class of camera height
SELECT
    floor(jobs.camera_distance / $distance_step) * $distance_step AS distance_from,
    floor(jobs.camera_height / $height_step) * $height_step AS height_from,
    count(DISTINCT job_id) AS jobs,
    count(*) AS frames,
    avg(annotations.percent_occlusion) AS mean_percent_occlusion,
    max(annotations.percent_occlusion) AS max_percent_occlusion,
    avg(annotations.percent_in_fov) AS mean_percent_in_fov
FROM annotations
JOIN jobs USING (job_id)
WHERE annotations.category = 'person'
GROUP BY ALL
ORDER BY distance_from, height_from;
