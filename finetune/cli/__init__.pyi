from .entry import COMMANDS as COMMANDS, GROUPS as GROUPS, Parser as Parser, build_parser as build_parser, main as main
