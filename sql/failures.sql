-- What failed and why: jobs that did not complete, by generator, status and reason.
SELECT
    generator,
    status,
    error,
    count(*) AS jobs,
    min(job_id) AS example_job_id
FROM jobs
WHERE status <> 'completed'
GROUP BY ALL
ORDER BY jobs DESC, generator, example_job_id;
