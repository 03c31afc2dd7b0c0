"""The tables, and the classes that read and write them."""
