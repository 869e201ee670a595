"""The web service that accepts, queues and runs jobs."""
