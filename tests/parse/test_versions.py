"""The version of a pack follows its tools, however a source says that it uses them."""

import pytest

from sentinel.parse.versions import _tools


@pytest.mark.parametrize(
    ("source", "tools"),
    [
        ("from sentinel.pack import kv, text\n", {"kv", "text"}),
        ("from sentinel.pack import kv as pairs  # as they are (nearly)\n", {"kv"}),
        ("from sentinel.pack import (\n    kv,\n    text,\n)\n", {"kv", "text"}),
        ("from sentinel.pack import (  # two (2)\n    kv,\n    text,\n)\n", {"kv", "text"}),
        ("from sentinel.pack import \\\n    kv\n", {"kv"}),
        ("from sentinel.pack.syslog import header\n", {"syslog"}),
        ("from sentinel . pack import kv\n", {"kv"}),
        ("import sentinel.pack.kv\n", {"kv"}),
        ("import re, sentinel.pack.kv as kv\n", {"kv"}),
        ("def parse(raw):\n    from sentinel.pack import kv\n    return kv\n", {"kv"}),
        ("if True: from sentinel.pack import kv\n", {"kv"}),
        ("import re; from sentinel.pack import kv; import os\n", {"kv"}),
        ("from sentinel.pack import kv; import sentinel.pack.text\n", {"kv", "text"}),
        ("from sentinel.packs import kv\nfrom sentinel.core import event\nKV = 'sentinel.pack.kv'\n", set()),
    ],
)
def test_a_tool_is_found_however_it_is_imported(source: str, tools: set[str]) -> None:
    assert _tools(source) == tools
