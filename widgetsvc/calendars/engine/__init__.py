"""When people are free: pure functions over values, without a database or a clock."""
