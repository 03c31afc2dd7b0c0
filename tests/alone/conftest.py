"""Tests that hold time limits or load the machine with processes of their own.

`make test` runs them after all others and one at a time, so that what they measure is the service alone.
"""
