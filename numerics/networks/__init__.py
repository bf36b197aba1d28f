"""Discrete networks from and to continua.

``layers``: the value of a network · ``continua``: what a network is, and which network a continuum is ·
``convolutional``: the same for layers that convolve · ``stages``: the first Euler steps of a model as matrices ·
``ordering``: neurons in the order that makes their weights smooth · ``files``: networks as archives.
"""
