"""The border of the package (``arrays``), the words of its errors (``checks``), and matrices made in ``tiles``.

>>> from companion._core.arrays import read
>>> read("X", [[1, 2]])[0]
array([[1., 2.]])
"""
