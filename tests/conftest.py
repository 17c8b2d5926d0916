"""Property tests are reproducible."""

from hypothesis import settings

settings.register_profile("mpsnh", deadline=None, derandomize=True)
settings.load_profile("mpsnh")
