from .entry import COMMANDS as COMMANDS, Parser as Parser, main as main
