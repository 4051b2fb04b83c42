"""The report of a run as pages of HTML: model in, text out; nothing is read or written here."""
