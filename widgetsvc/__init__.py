"""A scheduling calendar on any web page, with one tag."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("widgetsvc")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.0.0+checkout"
