"""The exercises, one file a notebook. `core` judges them, `marks` keeps what is done, `progress` shows it."""
