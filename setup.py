"""What pip needs to know; the version is read from `finetune/__init__.py` without importing it."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "finetune/__init__.py").read_text(encoding="utf-8"), re.M)
if VERSION is None:
    raise SystemExit('finetune/__init__.py: no line __version__ = "…"')

COMPLETION = ["shtab>=1.7"]
DOCS = ["griffe>=2.0", "mkdocs-material>=9.6"]
NOTEBOOK = ["ipykernel>=6.29", "nbclient>=0.10", "nbformat>=5.10", "pandas>=2.2"]
HEIF = ["pillow-heif>=0.16"]
ONNX = ["onnxruntime>=1.18", "tf2onnx>=1.16"]
OPENVINO = ["openvino>=2024.4"]
TFLITE = ["ai-edge-litert>=1.2"]
TUNE = ["optuna>=4.0,<6"]

setup(
    name="facenet-finetune",  # on PyPI `finetune` is another project
    version=VERSION[1],
    description="Fine-tune TF1-era FaceNet checkpoints.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The finetune developers",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["facenet", "face recognition", "fine-tuning", "tensorflow", "lfw"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.14",
    packages=[*find_packages(include=["finetune", "finetune.*"]), "finetune.recipes", "finetune.data"],
    package_dir={"finetune.recipes": "recipes", "finetune.data": "data"},
    package_data={
        "": ["*.pyi"],
        "finetune": ["py.typed", "clustering/templates/*", "report/templates/*"],
        "finetune.recipes": ["*.yaml", "recipe.schema.json"],
        "finetune.data": ["*.txt"],
    },
    install_requires=[
        "tensorflow>=2.16",  # the first whose Keras is Keras 3
        "tf-slim>=1.1",
        "numpy>=1.26",
        "scipy>=1.12",
        "scikit-learn>=1.4,<1.11",  # 1.11 drops the probabilities of the published SVM
        "joblib>=1.3",
        "google-crc32c>=1.6",  # the first with compiled wheels for Python 3.12
        "onnx>=1.16",
        "onnxruntime>=1.18",
        "h5py>=3.12",  # 3.10 and 3.11 crash at exit after a file that could not be written
        "pydantic>=2.11.10",  # early ones of 2.11 lose definitions of the schema
        "annotated-types>=0.6",
        "pyyaml>=6.0.1",
        "pillow>=10.3",
        "pyspng-seunglab>=1.1.2",  # the first with compiled wheels for Python 3.13
        "opencv-python-headless>=4.8",
        "rich>=13.7",
        "safetensors>=0.4.3",
        "lazy-loader>=0.4",
        "jinja2>=3.1",
        "matplotlib>=3.9",
        "mtcnn==1.0.0",  # its weights alone, which are checked by digest
    ],
    extras_require={
        "completion": COMPLETION,
        "docs": DOCS,
        "notebook": NOTEBOOK,
        "heif": HEIF,
        "openvino": OPENVINO,
        "onnx": ONNX,
        "tflite": TFLITE,
        "tune": TUNE,
        "dev": [
            *COMPLETION,
            *DOCS,
            *NOTEBOOK,
            *HEIF,
            *ONNX,
            *OPENVINO,
            *TFLITE,
            *TUNE,
            "hypothesis>=6.100",
            "mypy>=1.11",
            "pip>=24.2",
            "pre-commit>=3.7",
            "pytest>=8.2",
            "pytest-xdist>=3.6",
            "ruff>=0.9",
            "setuptools>=70.1",
            "types-PyYAML",
        ],
        "bench": [*ONNX, *OPENVINO],
    },
    entry_points={"console_scripts": ["finetune = finetune.cli:main"]},
)
