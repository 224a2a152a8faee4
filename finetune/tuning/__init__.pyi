from .contest import Contest as Contest
from .rate_range import RateRange as RateRange, find_rate_range as find_rate_range, write_rate_range as write_rate_range
from .searching import BEST as BEST, Found as Found, Plan as Plan, search as search
from .space import read_space as read_space
from .trial import TABLE as TABLE, Trial as Trial
