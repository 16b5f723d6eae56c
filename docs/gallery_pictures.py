"""The pictures of a gallery example: the Axes among its names, because pyplot never knew their figures."""

from matplotlib.axes import Axes
from sphinx_gallery.scrapers import figure_rst


def figures(block, block_vars, gallery_conf):
    """Save the figure of every Axes that this block has made; the text that shows them."""
    paths = []
    for value in list(block_vars["example_globals"].values()):
        if isinstance(value, Axes) and not getattr(value.figure, "in_gallery", False):
            value.figure.in_gallery = True
            paths.append(next(block_vars["image_path_iterator"]))
            value.figure.savefig(paths[-1], dpi=120)
    return figure_rst(paths, gallery_conf["src_dir"])
