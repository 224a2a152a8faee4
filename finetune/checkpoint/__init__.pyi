from .accounting import (
    Account as Account,
    account as account,
    fresh_account as fresh_account,
    refuse_small as refuse_small,
    stored_class_names as stored_class_names,
)
from .formats import refuse_pattern as refuse_pattern
from .imagenet import imagenet_weights as imagenet_weights
from .inspect import Description as Description, describe as describe
from .location import CLASS_NAMES as CLASS_NAMES, Located as Located, locate as locate
from .plan import (
    Beginning as Beginning,
    Contents as Contents,
    RestorePlan as RestorePlan,
    contents as contents,
    plan_restore as plan_restore,
)
from .saver import published_form as published_form, reason_of as reason_of, texts as texts, write as write
from .stored import StoredCheckpoint as StoredCheckpoint, file_digests as file_digests, read as read
