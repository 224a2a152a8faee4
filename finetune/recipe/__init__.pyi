from .json_schema import recipe_schema as recipe_schema
from .recipe import Cache as Cache, Recipe as Recipe
from .sections import (
    LFW as LFW,
    Accept as Accept,
    Augment as Augment,
    Data as Data,
    History as History,
    PreprocessingSection as PreprocessingSection,
    Verification as Verification,
)
from .stage import Stage as Stage
