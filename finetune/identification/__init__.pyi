from .rates import OpenSet as OpenSet, open_set as open_set, unit_class_means as unit_class_means
from .search import nearest as nearest
