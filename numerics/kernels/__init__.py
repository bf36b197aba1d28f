"""Running kernels: tables bound once a run, operators formed once a step, records tile by tile or launch by launch.

``bind`` gives the tables of a representation on a device (``bound``); with weights these are the network of a step
(``operators``, ``cpu``; ``cuda`` and ``launch`` for GPUs, ``cluster`` for many machines). ``steps`` finds adaptive
ones, ``stability`` says where states stop being finite, ``threads`` and ``cache`` are about this machine.
``own_points`` projects many records that have no points in common. No field and no model is known here.
"""
