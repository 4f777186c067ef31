"""A row that shows itself in a notebook."""

from __future__ import annotations

from turnmill.show import notebook
from turnmill.show.view import RowView


class NotebookRow(RowView):
    """A row as ``turnmill.show`` returns it."""

    def _repr_html_(self) -> str:
        return notebook.rows([self])
