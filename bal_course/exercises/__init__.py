"""The exercises, one file a notebook. `core` judges, hints and shows solutions; `marks` keeps what is done, `progress` shows it."""
