"""Labelled images on disk, one file per format.

`open_data` of `cnncli.datasets.base` finds out which format a path holds; `decode_image` of `cnncli.datasets._images`
is the one way from an image file to pixels. Data are only ever read.
"""
