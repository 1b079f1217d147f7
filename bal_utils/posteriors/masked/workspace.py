"""Memory that is written again and again."""

import math

from torch import Tensor


class Workspace:
    """Named tensors that are overwritten where new ones would be allocated.

    The operating system hands out fresh memory page by page, which for tensors of megabytes can cost more than the
    arithmetic that fills them. A tensor holds what was written last under its name, and no longer.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def empty(self, name: str, *shape: int, like: Tensor) -> Tensor:
        """A contiguous tensor of this shape with the type and device of `like`, in the memory of this name if it fits."""
        size = math.prod(shape)
        tensor = self.tensors.get(name)
        if tensor is None or tensor.numel() < size:
            self.tensors[name] = tensor = like.new_empty(size)
        return tensor[:size].view(shape)
