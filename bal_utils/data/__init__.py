"""Data as tensors, without loaders: `images` to label and `toys`; `mnist` has its four files.

What most lessons need stands here.
"""

from bal_utils.data.images import ImageData, balanced_start, digits, load_images, load_mnist, standardise, unit_pixels
from bal_utils.data.toys import noisy_line, sine_with_gap, two_moons
