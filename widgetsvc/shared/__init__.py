"""What several processes share through Redis: minted tokens, and news of changes. All of it can be lost."""
