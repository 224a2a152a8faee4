"""Benchmarks of finetune against baselines, timed in turn within one run: `python -m benchmarks`; see README.md."""
