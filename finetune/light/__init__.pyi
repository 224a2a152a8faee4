from .light_model import LightModel as LightModel
from .restoring import restore as restore
