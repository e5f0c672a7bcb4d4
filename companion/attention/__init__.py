"""Attention on arrays of shape (..., length, dim), the order of torch's scaled_dot_product_attention.

``exact`` holds softmax attention, with all n x l weights; ``shared`` reads the arguments that all forms share.

>>> softmax_attention([[0.0]], key=[[1.0], [2.0]], value=[[1.0], [3.0]])
array([[2.]])
"""

from companion.attention.exact import softmax_attention, softmax_attention_reference

__all__ = ["softmax_attention", "softmax_attention_reference"]
