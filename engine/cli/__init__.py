"""What all commands share: options, errors, progress and folders of results."""
