"""A model: fields on a representation (``continuum``), and several as one (``ensemble``).

``prepared`` makes what training needs of records, once, by ``projected``; ``answers`` goes over records of any number;
``points`` says where functions are evaluated; ``layout`` is between fields and kernels. A file (``checkpoint``) holds
``file_contents`` in the ``file_format``. Training and levels are other rooms.
"""
