"""Sphinx's settings for the web site. publishing/site.py gives the title on the command line and writes the sources."""

author = "The Bayesian Active Learning Course authors"
extensions = ["myst_nb", "sphinx_copybutton"]
nitpicky = True  # a link without a target is an error
smartquotes = False

nb_execution_mode = "off"  # the stored outputs are shown
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
nb_output_stderr = "remove"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # an output's tables are tables, its formulas formulas
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 4
mathjax_path = "mathjax/tex-mml-chtml.js"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "search_bar_text": "Search the course",
    "navbar_persistent": [],
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "show_prev_next": False,  # the notebooks say themselves what comes next
    "logo": {"text": "Bayesian active learning"},
}
