-- How each spill grows: when it is first labeled, how large it gets, and when it has half of that.
--   $category = "spill"    what grows (annotations.category)
WITH growth AS (
    SELECT
        job_id,
        images.time,
        annotations.area,
        annotations.area / (images.width * images.height) AS share,
        max(annotations.area) OVER (PARTITION BY job_id) AS largest
    FROM annotations
    JOIN images USING (job_id, image_id)
    WHERE annotations.category = $category AND annotations.area > 0
)
SELECT
    job_id,
    count(*) AS frames,
    min(time) AS first_seen,
    arg_min(area, time) AS first_area,
    min(time) FILTER (area >= largest / 2) AS half_grown,
    any_value(largest) AS largest_area,
    max(share) AS largest_share_of_picture
FROM growth
GROUP BY job_id
ORDER BY largest_area DESC, job_id;
