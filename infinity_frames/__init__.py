"""A pandas-native toolkit for batches of synthetic data."""
