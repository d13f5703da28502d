"""The routes of a node, by purpose. Each function returns the routes of one `EdgeNode`."""
