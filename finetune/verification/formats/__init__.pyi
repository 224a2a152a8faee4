from .lfw import text_of as text_of
from .registry import read_pairs as read_pairs
