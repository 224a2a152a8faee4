"""Folders of aligned faces: read, checked, split, and fed to training in batches."""
