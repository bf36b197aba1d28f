"""What a kernel computes, as data: all that the printers in ``derive.emit`` read.

A kernel is a body of operations with arguments, results and working memory (``kernels``, ``heads``, ``loss``,
``functions``). ``operations`` says what there is, with the adjoint and the tangent of each: the one place for both.
``scalar`` holds the expressions of pointwise operations, ``stage`` the chain of a stage, ``layout`` where operands lie,
``build`` the program of a slab with its signature. How loops are written, and what is kept in which memory, is
``derive.emit``'s.
"""
