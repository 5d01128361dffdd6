import re
import subprocess

import pytest
from node_process import needs_node

from deltarule.playground.page_bundle import bundle, page_file, page_files

ENTRIES = ["main.js", "alone.js", "notebook.js"]


def test_bundles_lose_comments_alone():
    kept = {line for entry in ENTRIES for line in bundle(entry).splitlines()}
    for text in (page_file(name) for name in page_files() if name.endswith(".js")):
        for line in text.splitlines():
            code = re.sub(r"/\*\*.*?\*/", "", line).strip()
            if code and not code.startswith(("//", "/**", "* ", "*/", "import ")):
                assert line.strip().removeprefix("export ") in kept


@needs_node
@pytest.mark.parametrize("entry", ENTRIES)
def test_no_name_of_a_bundle_stands_twice(entry, tmp_path):
    (tmp_path / "bundle.mjs").write_text(bundle(entry), encoding="utf-8")
    subprocess.run(["node", "--check", tmp_path / "bundle.mjs"], check=True)
