"""Verdicts on links of the chain rule, on whole passes, on trainings and on your own ops."""
