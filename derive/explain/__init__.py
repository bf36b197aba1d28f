"""The derivation, written for people. Nothing here reaches a kernel."""
