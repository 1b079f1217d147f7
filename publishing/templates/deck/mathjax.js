// Read by MathJax when it starts; deck.js asks it to typeset, so that slides are measured with their formulas.
window.MathJax = {
  tex: {
    inlineMath: [["$", "$"], ["\\(", "\\)"]],
    displayMath: [["$$", "$$"], ["\\[", "\\]"]],
    processEscapes: true,
    tags: "none",
  },
  options: { skipHtmlTags: ["script", "noscript", "style", "textarea", "pre", "code"] },
  svg: { fontCache: "none" },
  startup: { typeset: false },
};
