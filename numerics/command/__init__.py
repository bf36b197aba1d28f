"""The command ``continua``, and what it prints, plots and reports. No mathematics.

``main``: the group · ``commands``: one a file · ``options``, ``models``, ``generation``: what several commands share ·
``console``: errors, tables, progress · ``report``: pages with pictures · ``describe``: a model in words · ``doctor``:
what works on this machine · ``demo``: the main job · ``template``: the spec of ``continua new``.
"""
