"""The options of `backproof verify`, for pytest in a clone."""

pytest_plugins = ["backproof.plugin"]
