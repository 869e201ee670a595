"""Speed and memory against stated baselines, in one run: ``python -m bench``."""
