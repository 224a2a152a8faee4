from .registry import holds_images as holds_images, read_pairs as read_pairs
from .writing import WRITTEN as WRITTEN, To as To, form_of as form_of, is_table as is_table, write as write
