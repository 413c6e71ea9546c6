"""The names of the package: listed, importable, and loaded only when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import seqvise


def test_every_name_is_importable_and_listed() -> None:
    assert seqvise.__all__ == sorted(seqvise.__all__)
    for name in seqvise.__all__:
        assert getattr(seqvise, name) is not None
        assert name in dir(seqvise)
    with pytest.raises(AttributeError, match="no attribute 'load_runs'"):
        _ = seqvise.load_runs


def test_importing_the_package_and_its_options_does_not_import_torch() -> None:
    code = "import sys, seqvise; seqvise.DecodingOptions(beam=2); seqvise.UserError; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
