"""Where the labels of marks stand: beside their mark, and where there is room, on no other mark and on no other label."""

from collections.abc import Sequence

import numpy as np

LETTER, LINE = 10.0, 18.0  # width and height in pixels of a bold figure at 14 pixels
AROUND_8_2 = np.array([(1, -1), (1, 1), (-1, -1), (-1, 1), (0, -1.5), (0, 1.5), (1.5, 0), (-1.5, 0)])
REACHES = (1.0, 1.8, 2.6)  # first close to the mark, then further away
WORSE = 4.0  # covering a label is so much worse than covering a mark


def label_offsets(marks_N_2: np.ndarray, words_N: Sequence[str], size: float) -> list[list[float]]:
    """Pixels right and down from each mark, at marks_N_2 and `size` across, to the middle of its label."""
    away = 0.35 * size + 4
    mark_boxes_N_4 = _boxes(marks_N_2, np.full((1, 2), size))
    labels_M_4 = np.empty((0, 4))
    offsets = []
    for mark, words in zip(marks_N_2, words_N, strict=True):
        extent = np.array([LETTER * len(words), LINE])
        places_A_2 = np.concatenate(
            [reach * away * AROUND_8_2 + np.sign(AROUND_8_2) * (extent[0] / 2, 0) for reach in REACHES]
        )
        boxes_A_4 = _boxes(mark + places_A_2, extent[None])
        costs_A = _covered(boxes_A_4, mark_boxes_N_4) + WORSE * _covered(boxes_A_4, labels_M_4)
        best = int(costs_A.argmin())  # the first of equals
        offsets.append(places_A_2[best].tolist())
        if words:
            labels_M_4 = np.vstack([labels_M_4, boxes_A_4[best]])
    return offsets


def _boxes(middles_A_2: np.ndarray, extents_A_2: np.ndarray) -> np.ndarray:
    return np.hstack([middles_A_2 - extents_A_2 / 2, middles_A_2 + extents_A_2 / 2])


def _covered(boxes_A_4: np.ndarray, others_M_4: np.ndarray) -> np.ndarray:
    """The area of each box that others cover, overlaps counted again."""
    low_A_M_2 = np.maximum(boxes_A_4[:, None, :2], others_M_4[None, :, :2])
    high_A_M_2 = np.minimum(boxes_A_4[:, None, 2:], others_M_4[None, :, 2:])
    return (high_A_M_2 - low_A_M_2).clip(0).prod(axis=2).sum(axis=1)
