"""The providers, one file each. They translate; what an answer means for a job is the domain's to say."""
