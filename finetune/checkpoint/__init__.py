"""TF1 checkpoints: find the files, read them, account for every variable, write new ones."""

from finetune.checkpoint.account import Account, account, stored_class_names
from finetune.checkpoint.inspect import Description, describe
from finetune.checkpoint.locate import CLASS_NAMES, Located, locate, refuse_pattern
from finetune.checkpoint.plan import Contents, RestorePlan, contents, plan_restore
from finetune.checkpoint.read import StoredCheckpoint, read
from finetune.checkpoint.write import published_form, reason_of, texts, write

__all__ = [
    "CLASS_NAMES",
    "Account",
    "Contents",
    "Description",
    "Located",
    "RestorePlan",
    "StoredCheckpoint",
    "account",
    "contents",
    "describe",
    "locate",
    "plan_restore",
    "published_form",
    "read",
    "reason_of",
    "refuse_pattern",
    "stored_class_names",
    "texts",
    "write",
]
