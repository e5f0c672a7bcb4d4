"""Attention on arrays of shape (..., length, dim), the order of torch's scaled_dot_product_attention.

``exact`` holds softmax attention, with all n x l weights; ``scale`` a factor of its scores that grows with the number
of keys; ``linear`` attention of feature maps, whose sums over keys are made once; ``performer`` estimates softmax
attention by the latter (``_fast``: on the host); ``near`` has exact weights for near keys and a factor for far ones,
features or the mean keys of ``means`` (``pieces`` and ``_near``: a block at a time); ``state`` decodes token by token;
``effective`` counts the draws that carry a denominator; ``shared`` reads the arguments that all forms share.

>>> softmax_attention([[0.0]], key=[[1.0], [2.0]], value=[[1.0], [3.0]])
array([[2.]])
"""

from companion._core.checks import ApproximationWarning
from companion.attention.effective import effective_sample_size, effective_sample_size_reference
from companion.attention.exact import softmax_attention, softmax_attention_reference
from companion.attention.linear import linear_attention, linear_attention_reference
from companion.attention.means import block_mean_attention, block_mean_attention_step
from companion.attention.near import block_means_reference, near_and_far_reference
from companion.attention.performer import performer_attention, performer_attention_reference
from companion.attention.scale import entropy_scale, entropy_scale_reference
from companion.attention.state import LinearState, NearState, linear_attention_step, performer_attention_step

__all__ = ["ApproximationWarning", "effective_sample_size", "effective_sample_size_reference"]
__all__ += ["LinearState", "NearState", "block_mean_attention", "block_mean_attention_step", "block_means_reference"]
__all__ += ["entropy_scale", "entropy_scale_reference"]
__all__ += ["linear_attention", "linear_attention_reference", "linear_attention_step", "near_and_far_reference"]
__all__ += ["performer_attention", "performer_attention_reference", "performer_attention_step"]
__all__ += ["softmax_attention", "softmax_attention_reference"]
