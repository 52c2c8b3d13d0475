# SPDX-License-Identifier: GPL-2.0-only
"""Makes pytest know --fs and the fixture cowbell_fs, wherever in the checkout it is started."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "harness" / "runner"))


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin, unless `-p cowbell.plugin` has done so.

    A list pytest_plugins in its place would be an error where this file is not at pytest's root.
    """
    pluginmanager.import_plugin("cowbell.plugin")
