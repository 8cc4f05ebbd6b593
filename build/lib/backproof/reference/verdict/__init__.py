"""Judgement: what a printed figure, a link of the chain rule or a whole pass is worth."""
