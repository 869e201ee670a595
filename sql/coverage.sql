-- How the completed jobs cover each exercise and scene: jobs, frames, and the ranges of the camera.
SELECT
    exercise,
    scene,
    count(*) AS jobs,
    sum(num_frames) AS frames,
    count(DISTINCT avatar_identity) AS identities,
    min(camera_distance) AS min_camera_distance,
    max(camera_distance) AS max_camera_distance,
    min(camera_height) AS min_camera_height,
    max(camera_height) AS max_camera_height
FROM jobs
WHERE status = 'completed'
GROUP BY ALL
ORDER BY jobs DESC, exercise, scene;
