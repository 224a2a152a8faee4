from .entry import COMMANDS as COMMANDS, Parser as Parser, build_parser as build_parser, main as main
