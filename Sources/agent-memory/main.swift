print("agent-memory")
