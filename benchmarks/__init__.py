"""Times finetune against baselines, in turn within one run: `python -m benchmarks`; see README.md."""
