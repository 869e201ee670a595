"""Job folders of every layout -> label tables (Parquet) -> typed frames and DuckDB views."""
