"""`tidegate demo`: the main job end to end in one process, on a real queue with real workers and no cluster."""
