"""The verbs of ``df.infinity``, by what they act on; ``accessor.py`` joins them into one class."""
