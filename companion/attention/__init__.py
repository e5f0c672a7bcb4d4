"""Attention on arrays of shape (..., length, dim), the order of torch's scaled_dot_product_attention.

``exact`` holds softmax attention, with all n x l weights; ``linear`` that of feature maps, whose sums over keys are
made once; ``performer`` estimates softmax attention by the latter (``_fast``: on the host); ``state`` decodes token by
token; ``effective`` counts the draws that carry a denominator; ``shared`` reads the arguments that all forms share.

>>> softmax_attention([[0.0]], key=[[1.0], [2.0]], value=[[1.0], [3.0]])
array([[2.]])
"""

from companion._core.checks import ApproximationWarning
from companion.attention.effective import effective_sample_size, effective_sample_size_reference
from companion.attention.exact import softmax_attention, softmax_attention_reference
from companion.attention.linear import linear_attention, linear_attention_reference
from companion.attention.performer import performer_attention, performer_attention_reference
from companion.attention.state import LinearState, linear_attention_step, performer_attention_step

__all__ = ["ApproximationWarning", "LinearState", "effective_sample_size", "effective_sample_size_reference"]
__all__ += ["linear_attention", "linear_attention_reference", "linear_attention_step"]
__all__ += ["performer_attention", "performer_attention_reference", "performer_attention_step"]
__all__ += ["softmax_attention", "softmax_attention_reference"]
