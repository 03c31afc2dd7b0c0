"""Calendar files (RFC 5545): what is read from them, and how a calendar is written as one."""
