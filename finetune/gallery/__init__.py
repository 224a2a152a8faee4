"""Enrolled people: who they are, who a face is of, and when it is nobody's."""
