"""MTCNN's proposal, refinement and output networks (Zhang et al., 2016) in ONNX Runtime, as in FaceNet's detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from finetune.align.graphs import INPUT, output_network, proposal_network, refinement_network
from finetune.runtime import RUNTIME, open_session, refuse_fork, session_options

if TYPE_CHECKING:
    import onnxruntime

Floats = npt.NDArray[np.float32]


class Networks:
    """The three networks, ready to compute in the process that opened them; several threads may call them at once.

    Inputs are RGB, 0..255. A regression moves left, top, right and bottom, in units of the box's width and height.
    """

    def __init__(self) -> None:
        refuse_fork(RUNTIME)
        # Several threads of the aligner keep all cores busy.
        self._propose, self._refine, self._output = (
            open_session(graph.SerializeToString(), session_options(threads=1))
            for graph in (proposal_network(), refinement_network(), output_network())
        )

    def propose(self, images: Floats) -> tuple[Floats, Floats]:
        """Run P-Net on whole images: a window of 12 x 12 pixels at every second pixel.

        Args:
            images: images of at least 12 x 12 pixels, [n, h, w, 3]; they are rounded to whole numbers.

        Returns:
            Probabilities of a face [n, ceil((h - 2) / 2) - 4, ceil((w - 2) / 2) - 4], and regressions [..., 4].
        """
        probabilities, regressions = _run(self._propose, images)  # [n, 1, rows, columns], [n, 4, rows, columns]
        return probabilities[:, 0], np.moveaxis(regressions, 1, -1)

    def refine(self, crops: Floats) -> tuple[Floats, Floats]:
        """Run R-Net on crops [n, 24, 24, 3], for probabilities [n] and regressions [n, 4]."""
        probabilities, regressions = _run(self._refine, crops)
        return probabilities[:, 0], regressions

    def output(self, crops: Floats) -> tuple[Floats, Floats, Floats]:
        """Run O-Net on crops [n, 48, 48, 3], for probabilities [n], regressions [n, 4] and landmarks [n, 10].

        Landmarks are ordered as in `finetune.align.Faces`, in units of the crop from its left and top.
        """
        probabilities, regressions, landmarks = _run(self._output, crops)
        return probabilities[:, 0], regressions, landmarks


def _run(session: onnxruntime.InferenceSession, images: Floats) -> Sequence[Floats]:
    refuse_fork(RUNTIME)
    outputs: Sequence[Floats] = session.run(None, {INPUT: images})
    return outputs
