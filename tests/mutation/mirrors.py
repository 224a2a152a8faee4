"""The tests that run on a module's mutants: the file that mirrors it, then those named here."""

from __future__ import annotations

from pathlib import Path

PACKAGES = [
    "verification",
    "identification",
    "checkpoint",
    "recipe",
    "embedding",
    "training",
    "gallery",
    "record",
    "runs",
    "export",
    "dataset",
]

ALSO = {
    "checkpoint/formats/format.py": ("checkpoint/test_stored.py",),
    "checkpoint/formats/frozen_graph.py": ("checkpoint/test_stored.py",),
    "checkpoint/formats/registry.py": ("checkpoint/test_location.py",),
    "checkpoint/formats/tf1.py": ("checkpoint/test_stored.py", "checkpoint/formats/test_bundle.py"),
    "checkpoint/formats/torch_pickle.py": ("checkpoint/formats/test_pytorch.py",),
    "checkpoint/formats/torch_state_dict.py": ("checkpoint/formats/test_pytorch.py",),
    "recipe/": ("recipe/test_recipe.py", "recipe/test_overrides.py", "recipe/test_written.py", "recipe/test_stage.py"),
    "training/optimization/optimizer.py": ("recipe/test_stage.py", "test_schema.py"),
    "training/optimization/schedule_file.py": ("training/optimization/test_learning_rate.py",),
    "embedding/placement.py": ("embedding/test_cache.py",),
    "embedding/frozen_units.py": ("embedding/test_frozen.py",),
    "doctor/thumbnails.py": ("doctor/test_examination.py", "doctor/test_copies.py"),
    "training/optimizers.py": ("training/test_gentleness.py", "training/test_rates.py"),
    "training/averages.py": ("training/test_gentleness.py",),
    "training/metrics.py": ("training/test_loop.py", "training/objectives/test_new_loss.py"),
    "training/state.py": ("training/test_loop.py",),
    "training/step.py": ("training/test_gentleness.py",),
    "training/objectives/adaface.py": ("training/objectives/test_adaface.py", "training/test_gentleness.py"),
    "training/objectives/arcface.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/center_loss.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/classification.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/combined.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/cosface.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/curricularface.py": (
        "training/objectives/test_curricularface.py",
        "training/test_gentleness.py",
    ),
    "training/objectives/distances.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/prelogits_norm.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/softmax.py": ("training/objectives/test_losses.py", "training/test_gentleness.py"),
    "training/objectives/sub_arcface.py": ("training/objectives/test_sub_arcface.py", "training/test_gentleness.py"),
    "training/objectives/loss.py": ("training/objectives/test_new_loss.py", "training/test_history.py"),
    "training/objectives/metric.py": ("training/objectives/test_new_loss.py", "training/test_history.py"),
    "training/objectives/registry.py": ("training/objectives/test_new_loss.py", "training/test_history.py"),
    "training/objectives/term.py": ("training/objectives/test_new_loss.py", "training/test_history.py"),
    "training/objectives/batches.py": ("recipe/test_stage.py", "training/sampling/test_sampler.py"),
    "training/objectives/distillation.py": ("training/test_gentleness.py",),
    "training/objectives/penalties.py": ("training/test_gentleness.py",),
    "training/objectives/triplet.py": (
        "training/test_gentleness.py",
        "training/sampling/test_needs.py",
        "recipe/test_stage.py",
    ),
    **{
        f"verification/formats/{name}.py": ("verification/formats/test_forms.py", "verification/test_pairs.py")
        for name in ("cfp", "format", "lfw", "registry", "table", "two_lines")
    },
    **{f"verification/formats/{name}.py": ("verification/formats/test_bin.py",) for name in ("bin_set", "bin_pickle")},
    "verification/formats/writing.py": ("verification/test_pair_writing.py",),
    "verification/image_folder.py": ("verification/test_pair_drawing.py", "verification/test_pair_writing.py"),
    "verification/pair_drawing.py": ("verification/test_pair_writing.py",),
    "verification/opening.py": ("verification/formats/test_bin.py",),
    "verification/protocols/distances.py": ("verification/protocols/test_lfw.py",),
    "verification/protocols/k_fold.py": ("verification/protocols/test_registry.py", "verification/test_measuring.py"),
    "verification/protocols/protocol.py": ("verification/protocols/test_registry.py",),
    "verification/protocols/roc.py": ("verification/protocols/test_lfw.py",),
    "training/replicated.py": ("training/test_strategy.py",),
    "gallery/compare.py": ("gallery/test_calibration.py",),
    "gallery/pictures.py": ("gallery/test_identification.py",),
    "gallery/export.py": ("gallery/test_classifiers.py",),
    "gallery/classifier_cache.py": ("gallery/test_identification.py", "gallery/test_classifiers.py"),
    "gallery/contract.py": ("gallery/test_gallery.py",),
    "gallery/photos.py": ("gallery/test_gallery.py",),
    "gallery/svm.py": ("gallery/test_classifiers.py",),
    "gallery/prototypes.py": ("gallery/test_classifiers.py",),
    "gallery/listed_crops.py": ("gallery/test_listed_faces.py",),
    "gallery/watched_folder.py": ("gallery/test_watching.py",),
    "gallery/found_images.py": ("gallery/test_migration.py",),
    "gallery/migration_images.py": ("gallery/test_migration.py", "gallery/test_migration_rates.py"),
    "gallery/moved_embeddings.py": ("gallery/test_migration.py", "gallery/test_migration_rates.py"),
    "runs/cost.py": ("runs/test_planning.py",),
    "record/trade_off.py": ("runs/test_strangers.py",),
    "record/folder.py": ("runs/test_every_write.py", "runs/test_damage.py"),
    "record/histories.py": ("runs/test_every_write.py", "runs/test_damage.py"),
    "runs/opening.py": ("runs/test_overlap.py", "runs/test_planning.py"),
    "record/results.py": ("runs/test_every_write.py", "runs/test_damage.py"),
    "runs/selection.py": ("runs/test_planning.py",),
    "runs/stage.py": ("runs/test_every_write.py", "runs/test_damage.py", "runs/test_tuner.py"),
    "record/tensorboard.py": ("runs/test_every_write.py", "runs/test_damage.py"),
    "export/": ("export/test_reload.py", "export/test_export.py"),
    "images/drawn_face.py": ("images/test_drawn_people.py",),
    "images/drawn_photo.py": ("images/test_drawn_face.py", "images/test_drawn_people.py"),
}
"""Tests elsewhere, by the module or folder that they cover; paths below `tests/` and `finetune/`."""


MARKS = "not slow and not real"
"""Marks of the tests that are run, except for the files in `SLOW`."""
SLOW = dict.fromkeys(
    ("tests/export/test_export.py", "tests/runs/test_planning.py", "tests/runs/test_tuner.py"),
    "not thorough and not real",
)
"""Marks for files whose quick tests cannot see the work: an export is made, and loaded, by processes."""


def marks_of(tests: tuple[str, ...]) -> str:
    """Return the expression of marks that chooses the tests of these files."""
    return next((SLOW[test] for test in tests if test in SLOW), MARKS)


def tests_of(tree: Path, path: str) -> tuple[str, ...]:
    """Return the test files of a module, `finetune/a/b.py`, its mirror first."""
    below = Path(path).relative_to("finetune")
    mirror = str(below.with_name(f"test_{below.name}"))
    named = (mirror, *ALSO.get(str(below), ()), *ALSO.get(f"{below.parts[0]}/", ()))
    return tuple(f"tests/{name}" for name in dict.fromkeys(named) if (tree / "tests" / name).exists())
