"""What browsers and machines meet: the loader, frames, the token endpoint and their errors."""
