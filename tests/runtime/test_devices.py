"""The machine's abilities: whether bfloat16 is faster on it."""

from __future__ import annotations

import pytest

tf = pytest.importorskip("tensorflow")
from finetune.runtime import devices  # noqa: E402

pytestmark = pytest.mark.tf


@pytest.mark.parametrize(
    ("flags", "faster"),
    [("fpu avx2 avx512f", False), ("fpu avx512f avx512_bf16", True), ("avx512_bf16 amx_bf16 amx_tile", True)],
)
def test_the_cpus_flags_say_whether_it_has_units_for_bfloat16(flags, faster, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    assert devices.bfloat16_units() == faster


def test_nothing_is_said_of_a_cpu_that_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "missing")
    assert devices.bfloat16_units()


@pytest.mark.parametrize(("capability", "faster"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_gpus_from_ampere_on_have_them(capability, faster, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("flags : avx2\n")
    monkeypatch.setattr(devices, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["gpu"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": capability})
    assert devices.bfloat16_units() == faster
