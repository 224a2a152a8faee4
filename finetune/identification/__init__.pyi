from .rates import OpenSet as OpenSet
from .rates import open_set as open_set
from .rates import unit_class_means as unit_class_means
from .search import nearest as nearest
