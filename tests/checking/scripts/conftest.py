collect_ignore = ["programs"]  # scripts that train as soon as they are imported
