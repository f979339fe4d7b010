"""What control does: pause, resume, fence, expire, judge canaries, check, watch. Knows stores only as ports."""
