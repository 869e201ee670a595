-- How large objects are in the pictures, by category: the side of a square as large as the box, in
-- px, and the shares COCO calls small (area below 32 x 32), medium, and large (above 96 x 96).
-- Objects without a visible pixel are left out.
SELECT
    category,
    count(*) AS boxes,
    quantile_cont(sqrt(bbox_width * bbox_height), 0.05) AS side_p05,
    median(sqrt(bbox_width * bbox_height)) AS side_median,
    quantile_cont(sqrt(bbox_width * bbox_height), 0.95) AS side_p95,
    avg((area < 32 * 32)::INT) AS share_small,
    avg((area BETWEEN 32 * 32 AND 96 * 96)::INT) AS share_medium,
    avg((area > 96 * 96)::INT) AS share_large
FROM annotations
WHERE bbox_width > 0 AND bbox_height > 0
GROUP BY category
ORDER BY boxes DESC, category;
