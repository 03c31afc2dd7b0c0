"""What keeps an embed from working on a page: read from its headers and HTML."""
