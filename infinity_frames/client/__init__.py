"""Talk to a server: find it, submit jobs, wait for them and download their results."""
