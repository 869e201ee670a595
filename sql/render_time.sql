-- What jobs cost: samples and seconds from start to finish, by generator and kind of job.
SELECT
    generator,
    is_preview,
    count(*) AS jobs,
    sum(samples) AS samples,
    sum(samples) - sum(estimated_samples) AS samples_over_estimate,
    sum(epoch(finished - started)) AS seconds,
    sum(epoch(finished - started)) / sum(samples) AS seconds_per_sample,
    max(epoch(finished - started)) AS longest_job
FROM batch
WHERE status = 'completed'
GROUP BY ALL
ORDER BY generator, is_preview;
