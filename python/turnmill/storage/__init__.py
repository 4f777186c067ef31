"""Files that appear whole or not at all, in a local directory or behind a URI."""
