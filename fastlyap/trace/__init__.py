"""A rule is recorded as an expression graph, differentiated, and printed as one generated module."""
