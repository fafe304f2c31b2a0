"""What each task does: observe, plan, then print the plan or execute it."""
