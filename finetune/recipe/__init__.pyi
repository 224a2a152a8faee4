from .accept import WORST_GROUP as WORST_GROUP, Accept as Accept
from .camera import Camera as Camera
from .json_schema import recipe_schema as recipe_schema
from .measured import MeasuredSet as MeasuredSet, load_sets as load_sets
from .reader import RANGES as RANGES, Document as Document
from .recipe import Cache as Cache, Recipe as Recipe
from .sections import (
    LFW as LFW,
    Augment as Augment,
    Data as Data,
    History as History,
    PreprocessingSection as PreprocessingSection,
    Verification as Verification,
)
from .stage import Stage as Stage
