"""One command a file: read, plan, act, record. Only verbs see both plans and effects."""
