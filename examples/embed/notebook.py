"""The one-file page in a notebook: `notebook_html("attention.html")` in a cell of Jupyter, VS Code or Colab.

The file comes from the Share menu ("One-file page") or from `qkv view MODEL TEXT --html attention.html`. It has everything
in itself, so it works with the network off; the iframe keeps its script away from the notebook.
"""

import html
from pathlib import Path


class notebook_html:
    def __init__(self, path, height=720):
        self.page = Path(path).read_text(encoding="utf-8")
        self.height = height

    def _repr_html_(self):
        return (
            f'<iframe sandbox="allow-scripts" width="100%" height="{self.height}" style="border:0" '
            f'title="attention" srcdoc="{html.escape(self.page, quote=True)}"></iframe>'
        )
