"""`python -m upshot.cli` is `upshot`."""

import sys

from upshot.cli import main

sys.exit(main())
