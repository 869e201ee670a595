"""The generators: each turns one job's parameters into labeled data."""
