"""``python -m turnmill``."""

from __future__ import annotations

import sys

from turnmill.cli import main

sys.exit(main())
