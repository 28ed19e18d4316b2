#!/usr/bin/python3
"""PyTorch's arrays of one case: dump.py MODELS.PY DIR CASE [smooth].

smooth: gelu in the place of relu. Where thousands of relus stand at zero but for rounding, two float
programs take different sides of some, and a gradient is not determined to better than a percent; with
a smooth function in the same network it is.
"""
import os
import sys

sys.dont_write_bytecode = True
models_py, folder, case = sys.argv[1:4]
sys.path.insert(0, os.path.dirname(os.path.abspath(models_py)))
import torch.nn.functional as F

if 'smooth' in sys.argv[4:]:
    F.relu = F.gelu
import models

models.dump(case, folder)
