"""What control does: pause, resume, fence, expire, check, watch. Knows time and stores only as ports."""
