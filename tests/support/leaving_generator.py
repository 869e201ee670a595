"""A module that ends its process when it is imported."""

raise SystemExit("needs CUDA")
