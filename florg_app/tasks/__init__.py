"""One file or folder per family of tasks: rows -> features -> loss, and predictions -> scores."""
