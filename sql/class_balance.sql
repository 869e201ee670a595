-- How often each category is there: annotations with visible pixels, the pictures and jobs that
-- have any, its share of all annotations, and of all pictures' pixels.
WITH seen AS (
    SELECT * FROM annotations WHERE bbox_width > 0 AND bbox_height > 0
),
pictures AS (
    SELECT count(*) AS count, sum(width * height) AS pixels FROM images
)
SELECT
    seen.category,
    count(*) AS annotations,
    count(DISTINCT (seen.job_id, seen.image_id)) AS pictures,
    count(DISTINCT seen.job_id) AS jobs,
    count(*) / sum(count(*)) OVER () AS share_of_annotations,
    count(DISTINCT (seen.job_id, seen.image_id)) / any_value(pictures.count) AS share_of_pictures,
    sum(seen.area) / any_value(pictures.pixels) AS share_of_pixels
FROM seen
CROSS JOIN pictures
GROUP BY seen.category
ORDER BY annotations DESC, seen.category;
