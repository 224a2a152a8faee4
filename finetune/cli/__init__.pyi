from .entry import COMMANDS as COMMANDS
from .entry import Parser as Parser
from .entry import main as main
