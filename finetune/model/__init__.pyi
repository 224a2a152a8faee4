from .embedding_model import BATCH_SIZE as BATCH_SIZE, EmbeddingModel as EmbeddingModel, Origin as Origin, unit as unit
from .model import Model as Model
