// Explorers in frames: each says how high it is, and is told whether the site is light or dark.
(() => {
  const frames = () => [...document.querySelectorAll(".bal-live iframe")];
  const tell = (frame) => frame.contentWindow?.postMessage({ theme: document.documentElement.dataset.theme ?? "" }, "*");

  // A sentence under the picture may need a second line: room once taken is kept, so that the page does not jump in play.
  const fit = (frame, height) => {
    const kept = frame.clientWidth === Number(frame.dataset.width) ? frame.clientHeight : 0;
    frame.style.height = `${Math.max(kept, Math.ceil(height) + 4)}px`;
    frame.dataset.width = frame.clientWidth;
  };

  window.addEventListener("message", ({ data, source }) => {
    const frame = frames().find((one) => one.contentWindow === source);
    if (!frame || typeof data?.explorerHeight !== "number") return;
    fit(frame, data.explorerHeight);
    tell(frame); // it is listening now
  });

  new MutationObserver(() => frames().forEach(tell)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();

// Predictions: the cells that answer one open with its first choice. The style sheet keeps them shut until then.
(() => {
  const open = (cells) => cells.forEach((cell) => cell.classList.add("bal-open"));
  const waiting = []; // [prediction, its answers]
  for (const cell of document.querySelectorAll(".cell:is(.tag_prediction, .tag_answer)")) {
    if (cell.matches(".tag_prediction") && cell.querySelector("details[data-choice]")) waiting.push([cell, []]);
    else if (cell.matches(".tag_answer")) waiting.length ? waiting.at(-1)[1].push(cell) : open([cell]);
  }
  for (const [prediction, answers] of waiting.filter(([, answers]) => answers.length)) {
    const told = document.createElement("p");
    told.className = "bal-waits";
    told.setAttribute("role", "status");
    told.textContent = "What happens is shown when you have chosen.";
    prediction.append(told);
    const chosen = ({ target }) => {
      if (!target.matches("details[data-choice]")) return; // a hint
      open(answers);
      told.textContent = "What happens is shown below.";
      prediction.removeEventListener("toggle", chosen, true);
    };
    prediction.addEventListener("toggle", chosen, true); // caught on its way down, for it does not bubble
  }
})();
