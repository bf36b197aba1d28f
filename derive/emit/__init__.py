"""Programs → text and tables: one printer (``loops``, ``newton``, ``scalar``), its targets, and what they go with.

Here it is decided how loops are written and where arrays lie, never what is computed: that is ``derive.program``.
"""
