"""How a body moves: skeleton, exercises, time."""
