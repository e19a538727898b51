"""What the readers of file formats share: the open file, checks with errors that name file and line, XML records."""
