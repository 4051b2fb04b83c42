"""What every room knows: versions, machines, paths, settings, and the shape of files. Pure; it knows no other room."""
