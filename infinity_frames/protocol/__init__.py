"""What client and engine share: generator descriptions, frame schemas, errors, rules. No I/O."""
