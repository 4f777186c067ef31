"""Where rows come from: files, directories, globs and URIs, and objects in memory."""
