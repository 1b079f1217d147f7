"""The widgets of one kind inside another."""


def parts(widget, kind):
    own = [widget] if isinstance(widget, kind) else []
    return own + [found for child in getattr(widget, "children", ()) for found in parts(child, kind)]
