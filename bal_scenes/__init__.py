"""The widget engine: a state becomes a scene, a scene a picture, in a notebook or on a page without Python."""
