"""The exercises, one file a notebook; `core` judges, hints and shows solutions."""
