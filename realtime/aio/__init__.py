"""What asyncio leaves to each project: keeping the tasks that run, and ending them."""
