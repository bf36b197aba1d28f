"""One activation a file: its expression in u. A new file is in the registry, the documentation and the tests."""
