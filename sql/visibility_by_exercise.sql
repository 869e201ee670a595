-- How visible each joint of the person is, by exercise: share of frames in which it is inside the
-- picture, and in which nothing hides it.
--   $skeleton = "armature"    armature, vertex or coco (keypoints.skeleton)
SELECT
    jobs.exercise,
    keypoints.name,
    count(*) AS frames,
    avg((keypoints.v > 0)::INT) AS share_in_picture,
    avg((keypoints.v = 2)::INT) AS share_visible
FROM keypoints
JOIN jobs USING (job_id)
WHERE keypoints.skeleton = $skeleton
GROUP BY ALL
ORDER BY jobs.exercise, share_visible, keypoints.name;
