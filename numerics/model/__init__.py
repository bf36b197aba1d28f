"""A continuum that can be called, differentiated, saved and loaded. Knows neither training nor levels."""
