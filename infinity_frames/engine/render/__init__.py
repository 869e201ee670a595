"""How a scene becomes pixels and exact label masks."""
