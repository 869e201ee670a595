"""Which data to make next: designed experiments on frames.

The verbs are methods of ``df.infinity`` and of a session. The mathematics is done by the libraries
of the extra ``experiments``, which are imported when a verb first needs them.
"""
