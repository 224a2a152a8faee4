"""The names that the reference of the Python interface shows, by page."""

from __future__ import annotations

from typing import NamedTuple


class Area(NamedTuple):
    """A page of the reference: its title, its introduction, and its names by the package that gives them."""

    title: str
    about: str
    names: dict[str, tuple[str, ...]]


AREAS = {
    "finetune": Area(
        "finetune",
        "Import these names from `finetune`. Import finetune before TensorFlow.",
        {"finetune": ()},
    ),
    "results": Area(
        "Results and errors",
        "These classes hold what the functions and methods return, and what they raise.",
        {
            "finetune.record": ("StageResult", "HeldBack", "TradeOff"),
            "finetune.verification": ("Verdict", "Candidate", "Score", "Difference", "Overlap"),
            "finetune.training": ("EpochRow", "column_meanings"),
            "finetune.predictions": ("Predictions",),
            "finetune.checkpoint": ("RestorePlan",),
            "finetune.images": ("Preprocessing",),
            "finetune.errors": (
                "Problem",
                "UserError",
                "RecipeError",
                "CheckpointError",
                "DataError",
                "RunError",
                "NotFinite",
                "ExportFailed",
                "Interrupted",
            ),
        },
    ),
    "recipe": Area(
        "Sections of a recipe",
        "From Python, a section is made by keyword, or given as a mapping. [Keys of a recipe](../recipe.md) has the "
        "meaning, type and default of each key.",
        {
            "finetune.recipe": (
                "Data",
                "Augment",
                "Camera",
                "LFW",
                "Accept",
                "History",
                "PreprocessingSection",
                "Verification",
                "recipe_schema",
            ),
            "finetune.training.optimization": ("LearningRate", "Optimizer"),
        },
    ),
    "losses": Area(
        "Losses of a stage",
        "A stage takes a loss by its name, by a mapping, or as one of these sections.",
        {
            "finetune.training.objectives": (
                "LOSSES",
                "Softmax",
                "ArcFace",
                "CosFace",
                "CurricularFace",
                "AdaFace",
                "SubArcFace",
                "Triplet",
                "Mining",
                "PeopleTimesImages",
                "CenterLoss",
                "PrelogitsNorm",
                "WeightDecay",
                "L2SP",
                "Distillation",
                "Loss",
                "Term",
                "Metric",
                "Outputs",
            )
        },
    ),
    "align": Area(
        "finetune.align",
        "Import these names from `finetune.align`.",
        {"finetune.align": ("align", "cut", "aligned", "Alignment", "Faces", "Coverage", "read_boxes", "write_boxes")},
    ),
    "doctor": Area(
        "finetune.doctor",
        "Import these names from `finetune.doctor`.",
        {
            "finetune.doctor": (
                "examine",
                "judge_quality",
                "Report",
                "Finding",
                "KINDS",
                "Quarantine",
                "write_sheet",
                "show_report",
            )
        },
    ),
    "quality": Area(
        "finetune.quality",
        "Import these names from `finetune.quality`.",
        {
            "finetune.quality": (
                "measure_quality",
                "Quality",
                "PixelQuality",
                "measure_appearance",
                "Pose",
                "estimate_pose",
            )
        },
    ),
    "verification": Area(
        "finetune.verification",
        "Import these names from `finetune.verification`, and the protocols from `finetune.verification.protocols`.",
        {
            "finetune.verification": (
                "measure_lfw",
                "open_pairs",
                "usable",
                "read_pairs",
                "write_pairs",
                "write_all_pairs",
                "Drawn",
                "PairsFile",
                "Pair",
                "ImagePairs",
                "compare",
                "paired_interval",
                "bootstrap",
                "interval",
                "operating_point",
                "find_overlap",
                "ValidationRate",
                "read_templates",
                "read_template_pairs",
                "read_subjects",
                "pool",
                "template_pairs",
                "verify_templates",
            ),
            "finetune.verification.protocols": ("PROTOCOLS", "by_name"),
        },
    ),
    "identification": Area(
        "finetune.identification",
        "Import these names from `finetune.identification`.",
        {
            "finetune.identification": (
                "ranks",
                "cumulative_match",
                "CMC",
                "Probes",
                "tpir_at",
                "OperatingRates",
                "identification_curve",
                "error_curve",
                "verification_errors",
                "ErrorCurve",
                "conservative_threshold",
                "rate_of",
                "Rate",
                "identify_templates",
                "TemplateIdentification",
                "nearest",
                "map_embeddings",
            )
        },
    ),
    "gallery": Area(
        "finetune.gallery",
        "Import these names from `finetune.gallery`.",
        {
            "finetune.gallery": (
                "enroll",
                "enroll_strangers",
                "import_features",
                "read_features",
                "read_gallery",
                "write_gallery",
                "update",
                "Gallery",
                "Contract",
                "Photos",
                "calibrate",
                "Threshold",
                "pair_threshold",
                "faces_of",
                "Face",
                "identify",
                "Identification",
                "write_csv",
                "draw",
                "write_export",
                "fitted",
                "fitted_head",
                "Classifier",
                "NearestPrototype",
                "KNearest",
                "LinearSVM",
                "Logistic",
                "PublishedSVM",
                "SoftmaxHead",
                "plan_migration",
                "write_migration",
                "Migration",
                "MigrationRates",
                "fit_map",
                "FittedMap",
                "MapCertificate",
            )
        },
    ),
    "export": Area(
        "finetune.export",
        "Import these names from `finetune.export`.",
        {"finetune.export": ("export", "Certificate", "FORMATS", "QUANTIZATIONS")},
    ),
}
