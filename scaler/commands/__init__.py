"""One module a command: what it takes from the command line, what it prints, how it exits. The work is done below."""
