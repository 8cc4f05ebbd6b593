"""Hypothesis for all tests of the suite itself: no deadline, and in CI the same cases each time."""

import os

from hypothesis import settings

settings.register_profile("backproof", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("backproof")
