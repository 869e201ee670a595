-- Frames worth a look: where the person is hidden most, least in the picture, largest or smallest;
-- one frame per job and reason. Who is wholly in the picture, or hidden by nothing, is not listed for
-- that. The result can be shown: .infinity.show().
--   $k = 5                   frames per reason
--   $category = "person"     whom to look at (annotations.category)
WITH reasons AS (
    SELECT job_id, frame_number, annotation_id, percent_occlusion, percent_in_fov, area,
        unnest([
            {'reason': 'most hidden', 'strength': nullif(percent_occlusion, 0)},
            {'reason': 'least in the picture', 'strength': -nullif(percent_in_fov, 100)},
            {'reason': 'largest', 'strength': area},
            {'reason': 'smallest', 'strength': -area}
        ], recursive := true)
    FROM annotations
    WHERE category = $category AND area > 0
),
strongest AS (
    SELECT * FROM reasons
    WHERE strength IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY reason, job_id ORDER BY strength DESC, frame_number, annotation_id
    ) = 1
)
SELECT reason, job_id, frame_number, annotation_id, percent_occlusion, percent_in_fov, area
FROM strongest
QUALIFY row_number() OVER (PARTITION BY reason ORDER BY strength DESC, job_id) <= $k
ORDER BY reason, strength DESC, job_id;
