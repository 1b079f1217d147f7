"""The first minute of JupyterLab: notebook 00, the notebooks at its left, its table of contents at its right, no news.

All of it are defaults: what a person changes in JupyterLab's own menus wins and is kept.
"""

import os
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# where JupyterLab keeps what is open and how wide it is; the file's name is its own for the workspace at /lab
workspaces = Path(os.environ.get("JUPYTERLAB_WORKSPACES_DIR", ROOT / "build" / "lab"))
start = workspaces / "default-37a8.jupyterlab-workspace"
if not start.exists():
    workspaces.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "start.jupyterlab-workspace", start)

c = get_config()  # noqa: F821
c.ServerApp.root_dir = str(ROOT)
c.LabApp.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.LabApp.app_settings_dir = str(HERE / "settings")
c.LabApp.workspaces_dir = str(workspaces)
