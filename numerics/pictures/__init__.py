"""Pictures of models, fields, records and studies, as matplotlib Figures.

What is drawn comes as arrays, fields and records, and of a model as it answers: nothing here computes more than a
picture needs, and nothing here knows of pages or files. Figures are made without pyplot, so that nothing depends on a
display or stays behind; matplotlib is imported where the first one is made.

``models``: ``model.plot`` · ``training``, ``fields``, ``states``, ``records``, ``predictions``: of what · ``studies``:
convergence, stability · ``axes``: figures, colours, units · ``shown``: figures that notebooks show
"""
