"""The list of seeded faults, which `python -m tests.contracts.seeded_faults` runs, keeps up with the source."""

import pytest

from tests.contracts.seeded_faults import ROOT, all_faults, seed


@pytest.mark.parametrize("fault", all_faults(), ids=lambda fault: f"{fault.name} ({fault.store})")
def test_a_fault_can_still_be_seeded(fault, tmp_path):
    copy = tmp_path / "copy.py"
    copy.write_text((ROOT / "src" / "duly" / fault.file).read_text())

    seed(fault, copy)

    compile(copy.read_text(), str(copy), "exec")
