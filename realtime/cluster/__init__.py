"""The processes of a site: how they find, tell and ask each other over the channel layer."""
