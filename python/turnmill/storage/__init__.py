"""Files that appear whole or not at all, in a local directory or at a URI."""

STAGING = ".turnmill"
"""Directory inside an output for the plan, receipts and rejects of single shards. It marks a
directory as written by turnmill."""
MANIFEST = "manifest.json"
"""The file that vouches for all others of a directory; see :mod:`turnmill.output.manifest`."""
