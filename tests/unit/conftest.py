"""What the unit tests share."""

from hypothesis import settings

# how long an example takes says nothing on a machine that does other things as well
settings.register_profile("upshot", deadline=None)
settings.load_profile("upshot")
