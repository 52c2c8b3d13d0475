# SPDX-License-Identifier: GPL-2.0-only
"""The part of cowbell that works outside the machine under test.

It makes filesystems, hands directories to the driver and reads its results. It never judges what
a filesystem does.
"""
