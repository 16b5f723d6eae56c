"""Other programs that compute the same exponents, each in its own best form."""
