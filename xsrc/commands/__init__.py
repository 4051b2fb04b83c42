"""The commands, related ones in one file: words in, a request to the rooms, words out. Only __main__ imports it."""
