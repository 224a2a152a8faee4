from .rates import OpenSet as OpenSet
from .rates import class_means as class_means
from .rates import open_set as open_set
from .search import nearest as nearest
