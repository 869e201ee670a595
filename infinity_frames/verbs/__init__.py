"""Methods by theme: the verbs of ``df.infinity``, which ``accessor.py`` joins, and of sessions."""
