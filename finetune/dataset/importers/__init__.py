"""Other people's datasets, brought into one folder per person, named as LFW names its images."""
