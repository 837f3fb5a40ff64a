"""The project: settings, URLs, and what spans several apps."""
