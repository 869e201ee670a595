-- How visible one joint is against the height of the camera, by exercise: share of frames in which
-- it is inside the picture, and in which nothing hides it.
--   $joint = "left_wrist"     which keypoint (keypoints.name)
--   $skeleton = "armature"    armature, vertex or coco (keypoints.skeleton)
--   $height_step = 0.5        meters per class of camera height
SELECT
    jobs.exercise,
    floor(jobs.camera_height / $height_step) * $height_step AS height_from,
    count(DISTINCT job_id) AS jobs,
    count(*) AS frames,
    avg((keypoints.v > 0)::INT) AS share_in_picture,
    avg((keypoints.v = 2)::INT) AS share_visible
FROM keypoints
JOIN jobs USING (job_id)
WHERE keypoints.skeleton = $skeleton AND keypoints.name = $joint
GROUP BY ALL
ORDER BY jobs.exercise, height_from;
