"""Speed, measured: every number is a ratio from one interleaved run on a named machine."""
