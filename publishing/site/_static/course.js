// Explorers in frames: each says how high it is, and is told whether the site is light or dark.
(() => {
  const frames = () => [...document.querySelectorAll(".bal-live iframe")];
  const tell = (frame) => frame.contentWindow?.postMessage({ theme: document.documentElement.dataset.theme ?? "" }, "*");

  window.addEventListener("message", ({ data, source }) => {
    const frame = frames().find((one) => one.contentWindow === source);
    if (!frame || typeof data?.explorerHeight !== "number") return;
    frame.style.height = `${Math.ceil(data.explorerHeight) + 4}px`;
    tell(frame); // it is listening now
  });

  new MutationObserver(() => frames().forEach(tell)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
