"""Other ecosystems, one a file; what they need is imported where it is needed, and an error names the extra.

``learners``: scikit-learn's estimators, whose declarations are made by ``choices`` · ``functions``: its transformer ·
``pytorch``: networks from PyTorch, and models as modules there · ``torch_layers``: what PyTorch's layers are here ·
``torch_module``: the module, the one file that imports torch as a whole · ``onnx_file``: models as ONNX graphs ·
``onnx_values``: arrays that write down what is done with them.

What several of them share: ``network``, a slab in the words of any array library · ``forward``, a whole model. What is
known without an ecosystem is not here: discrete networks are in ``numerics.networks``.
"""
