"""The class of all our figures, in its own module because importing it imports Matplotlib."""

from matplotlib.figure import Figure

from deltarule.reports.svg_embed import figure_html


class ShownFigure(Figure):
    """A Matplotlib figure with an HTML representation for notebooks.

    >>> from deltarule.reports.figures import object_curves
    >>> object_curves([0, 1], [[0.1], [0.9]], ["cat"])._repr_html_()[:28]
    '<div style="background:white'
    """

    def _repr_html_(self) -> str | None:
        """The figure as HTML, None while it is empty."""
        return figure_html(self) if self.axes else None
