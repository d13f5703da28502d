"""The addresses of a node, by what they are for. Each function returns the routes of one `EdgeNode`."""
