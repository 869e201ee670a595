"""What there is to see: bodies, rooms, equipment, cameras, lights."""
