from .lfw import text_of as text_of
from .registry import holds_images as holds_images, read_pairs as read_pairs
