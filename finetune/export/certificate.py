"""Certificates, which compare the outputs of an export with those of its checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from finetune.agreement import Agreement, Tolerance, disagreements
from finetune.brief import Brief
from finetune.export.formats import Format
from finetune.verification import Difference, VerificationResult, compare
from finetune.words import counted

FILE_NAME = "certificate.json"


@dataclasses.dataclass(frozen=True, repr=False)
class Certificate(Brief):
    """Result of comparing an export with its checkpoint.

    Attributes:
        format: format of the export.
        runtime: runtime that loaded the export in a fresh process, with its version.
        n_images: number of images that were given to both.
        agreements: differences by name of the output.
        images_per_second: speed of the runtime after its warm-up: on LFW if it was measured, else on the probes.
        lfw_before: result of the checkpoint on LFW; None if LFW was not measured.
        lfw_after: result of the export on LFW; None if LFW was not measured.
        made_from: checkpoint, its digests and its input contract.
        sha256: digest of each file of the export.
    """

    format: Format
    runtime: str
    n_images: int
    agreements: Mapping[str, Agreement]
    images_per_second: float
    lfw_before: VerificationResult | None
    lfw_after: VerificationResult | None
    made_from: Mapping[str, Any]
    sha256: Mapping[str, str]

    @property
    def lfw_difference(self) -> Difference | None:
        """Difference of the two results on LFW; None if LFW was not measured."""
        return compare(self.lfw_before, self.lfw_after) if self.lfw_before and self.lfw_after else None

    def problems(self) -> list[str]:
        """Return one message per value outside the format's tolerance."""
        tolerance: Tolerance = self.format.tolerance
        found = disagreements(self.agreements, tolerance)
        difference, most = self.lfw_difference, tolerance.lfw_accuracy
        if difference and most is not None and not abs(difference.accuracy) <= most:
            found.append(f"LFW accuracy differs by {difference.accuracy:+.4f}, {most:g} allowed")
        return found

    def lines(self) -> list[str]:
        """Return lines to print: the runtime, one line per output, and those about LFW."""
        lines = [f"{self.runtime}, {counted(self.n_images, 'image')}, {self.images_per_second:.0f} images/s"]
        for name, agreement in self.agreements.items():
            cosine = "" if agreement.smallest_cosine is None else f", smallest cosine {agreement.smallest_cosine:.7f}"
            of = " of the largest" if name == "logits" else ""
            lines.append(f"{name}: largest difference {agreement.largest_difference:.1e}{of}{cosine}")
        difference = self.lfw_difference
        if difference and self.lfw_before and self.lfw_after:
            lines.append(
                f"LFW accuracy: {self.lfw_before.accuracy:.4f} before, {self.lfw_after.accuracy:.4f} after; "
                f"{counted(difference.gained, 'pair')} gained, {difference.lost} lost"
            )
            lines += [f"note: {note}" for note in self.lfw_before.notes]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the content of `certificate.json`."""
        lfw = None
        if self.lfw_before and self.lfw_after:
            before, after, difference = self.lfw_before, self.lfw_after, self.lfw_difference
            lfw = {
                "before": _figures(before),
                "after": _figures(after),
                "difference": dataclasses.asdict(difference) if difference else None,
                "pairs": before.n_pairs,
                "pairs_sha256": before.pairs_sha256,
                "notes": list(before.notes),
            }
        return {
            "format": self.format.name,
            "quantize": self.format.quantize,
            "made_from": dict(self.made_from),
            "runtime": self.runtime,
            "images": self.n_images,
            "outputs": {name: dataclasses.asdict(agreement) for name, agreement in self.agreements.items()},
            "tolerance": dataclasses.asdict(self.format.tolerance),
            "images_per_second": round(self.images_per_second, 1),
            "lfw": lfw,
            "sha256": dict(self.sha256),
        }


def _figures(result: VerificationResult) -> dict[str, Any]:
    names = ("accuracy", "accuracy_std", "val", "val_std", "far", "auc", "eer", "distance", "subtract_mean", "flip")
    return {name: getattr(result, name) for name in names}
