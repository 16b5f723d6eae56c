"""Deep and recurrent networks."""
