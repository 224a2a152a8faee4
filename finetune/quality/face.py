"""Quality of one face: its measures, its defects by stated limits, and one score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from finetune.align import RecordedFace
from finetune.brief import Brief
from finetune.quality.pixels import PixelQuality
from finetune.quality.pose import Pose, estimate_pose
from finetune.quality.reference import SHARPNESS

LEAST_SHARPNESS = 0.045
"""Sharpness below which a face is blurred: one percent of LFW's faces are."""
LEAST_RESOLUTION = 40.0
"""Effective resolution in pixels below which a face is tiny: one percent of LFW's faces are. A crop of 160 pixels was
then enlarged four times."""
LEAST_HIGHLIGHTS = 64.0
"""Luminance below which a face is dark if no more than 5 percent of its pixels exceed it. The brightest parts are
judged, not the mean: skin may be dark, but eyes, teeth and reflections are bright wherever there is light. This
limit is a quarter of the range, and no face of LFW's 3,289 is below 90."""
MOST_BLOWN = 0.4
"""Share of blown pixels above which a face is overexposed: fewer than one in a thousand of LFW's faces are."""
MOST_YAW = 45.0
"""Turn to the side in degrees from which a face is a profile: one of its eyes is hardly seen."""
WITH_DEFECT = 0.01
"""Highest score of a face with a defect. The limits of sharpness and resolution leave out as large a share of LFW."""
DEFECTS = {
    "blurred": f"sharpness below {LEAST_SHARPNESS:g}",
    "tiny": f"an effective resolution below {LEAST_RESOLUTION:g} pixels",
    "dark": f"95 percent of the face below a luminance of {LEAST_HIGHLIGHTS:g}",
    "overexposed": f"more than {MOST_BLOWN:.0%} of the face blown",
    "profile": f"turned to the side by {MOST_YAW:g} degrees or more",
}
"""Defects of a face with their limits."""


@dataclass(frozen=True, repr=False)
class Quality(Brief):
    """Quality of one aligned face.

    Attributes:
        appearance: measures from the crop's pixels.
        side: shorter side of the face's box in the photo, in pixels; None if it is unknown.
        detection: score of the face detector, 0 to 1; None if it is unknown.
        pose: pose by the landmarks; None if they are unknown.
    """

    appearance: PixelQuality
    side: float | None = None
    detection: float | None = None
    pose: Pose | None = None

    @classmethod
    def of(cls, appearance: PixelQuality, face: RecordedFace | None = None) -> Quality:
        """Return the quality of a crop, with what the alignment's journal knows of its face."""
        if face is None:
            return cls(appearance)
        return cls(appearance, face.side, face.score, estimate_pose(face.landmarks))

    def defects(self) -> dict[str, tuple[str, float]]:
        """Return the reason and the severity of each defect by its key in `DEFECTS`; larger is worse."""
        seen, found = self.appearance, dict[str, tuple[str, float]]()
        if seen.sharpness < LEAST_SHARPNESS:
            reason = f"sharpness {seen.sharpness:.3f}, less than {LEAST_SHARPNESS:g}"
            found["blurred"] = reason, 1 - seen.sharpness / LEAST_SHARPNESS
        if seen.resolution < LEAST_RESOLUTION:
            reason = f"detail of {seen.resolution:.0f} pixels, less than {LEAST_RESOLUTION:g}"
            found["tiny"] = reason, 1 - seen.resolution / LEAST_RESOLUTION
        if seen.highlights < LEAST_HIGHLIGHTS:
            reason = f"95 percent of the face has a luminance below {seen.highlights:.0f} of 255"
            found["dark"] = reason, 1 - seen.highlights / LEAST_HIGHLIGHTS
        if seen.blown > MOST_BLOWN:
            found["overexposed"] = f"{seen.blown:.0%} of the face is blown", seen.blown
        if self.pose and abs(self.pose.yaw) >= MOST_YAW:
            found["profile"] = f"turned to the side by {abs(self.pose.yaw):.0f} degrees", abs(self.pose.yaw) / 90
        return found

    @property
    def score(self) -> float:
        """Quality as one number, 0 to 1: the share of the reference faces that are not sharper.

        A face with a defect has at most `WITH_DEFECT`, and less the worse the defect is. Sharpness alone ranks the
        others: on pairs of LFW, leaving out faces by exposure, contrast, resolution or pose too gained less.
        """
        rank = SHARPNESS.rank(self.appearance.sharpness)
        worst = max((severity for _, severity in self.defects().values()), default=None)
        return rank if worst is None else min(rank, WITH_DEFECT * (1 - worst))

    def to_json(self) -> dict[str, Any]:
        """Return score and measures as JSON's types, rounded; None for what is unknown."""
        yaw, pitch, roll = self.pose or (None, None, None)
        known = {"face_side": self.side, "detection": self.detection, "yaw": yaw, "pitch": pitch, "roll": roll}
        measured = {"score": self.score, **self.appearance._asdict(), **known}
        return {name: None if value is None else float(np.round(value, 4)) for name, value in measured.items()}
