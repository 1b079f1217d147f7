// The widget: keeps the picture up to date and reports what the learner does to it. Follows layers.js and draw.js.

const TWEEN = 200; // milliseconds in which a played moment becomes the next
const GLYPHS = { star: "★", circle: "●", triangle: "▲", square: "■", diamond: "◆", down: "▼", plus: "✚", ring: "◯", cross: "✕" };
const THINGS = { points: "a point", images: "an image", rects: "a bar" };
const BINARY = { values: Float32Array, pixels: Uint8Array, table: Uint8Array };

// Buffers arrive unaligned inside one message; typed arrays need a copy of their own.
function unpacked(scene) {
  const layers = (panel) => panel.layers.map((layer) => Object.fromEntries(Object.entries(layer).map(([key, value]) => {
    if (!(value instanceof DataView)) return [key, value];
    const bytes = value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength);
    return [key, new (BINARY[key] || Float32Array)(bytes)];
  })));
  return { ...scene, panels: (scene.panels || []).map((panel) => ({ ...panel, layers: layers(panel) })) };
}

// Middle and size, in pixels, of the i-th thing in a layer.
function extent(layer, i, area, unit) {
  if (layer.kind === "points") return { x: area.toX(layer.x[i]), y: area.toY(layer.y[i]), w: layer.size * unit, h: layer.size * unit };
  const half = [layer.width / 2, layer.height / 2];
  const [x0, x1, y0, y1] = layer.kind === "rects"
    ? [layer.x0[i], layer.x1[i], layer.y0[i], layer.y1[i]]
    : [layer.x[i] - half[0], layer.x[i] + half[0], layer.y[i] - half[1], layer.y[i] + half[1]];
  const [left, right, top, bottom] = [area.toX(x0), area.toX(x1), area.toY(y0), area.toY(y1)];
  return { x: (left + right) / 2, y: (top + bottom) / 2, w: Math.abs(right - left), h: Math.abs(bottom - top) };
}

// Everything with an id; later ones lie on top.
function targetsOf(scene, areas, unit) {
  const found = [];
  scene.panels.forEach((panel, p) => panel.layers.forEach((layer) => (layer.ids || []).forEach((id, i) => {
    const place = extent(layer, i, areas[p], unit);
    if (!inside(areas[p], place.x, place.y)) return;
    const name = layer.names ? layer.names[i] : "";
    found.push({ panel: p, id, ...place, box: layer.kind !== "points", drag: Boolean(layer.drag), name, kind: layer.kind, shape: layer.shape });
  })));
  return found;
}

// Marks by place, shape and filling: what is not among those of the scene before is new.
function marksOf(scene) {
  const found = new Set();
  for (const { layers } of scene.panels) for (const layer of layers) {
    if (layer.kind === "points") layer.x.forEach((x, i) => found.add(markKey(layer, i)));
  }
  return found;
}

function markKey(layer, i) { return [layer.shape, layer.filled, layer.x[i], layer.y[i]].join(); }

// Sends the newest of many events and waits for its answer, which carries `name`, before the next: a slow picture never
// meets stale drags.
function paced(send, name = true) {
  let waiting = false, next = null;
  const go = () => {
    if (waiting || !next) return;
    waiting = true;
    send({ ...next, paced: name });
    next = null;
  };
  return { offer: (event) => { next = event; go(); }, forget: () => { next = null; }, answered: () => { waiting = false; go(); } };
}

// The frame of elements. Status and hint are ordinary text, so that screen readers announce them.
function elements(el) {
  el.classList.add("bal-canvas");
  const make = (tag, name) => Object.assign(el.appendChild(document.createElement(tag)), { className: name });
  const canvas = make("canvas", "bal-picture"), status = make("div", "bal-status"), hint = make("div", "bal-hint"), said = make("div", "bal-said");
  canvas.tabIndex = 0;
  status.setAttribute("role", "status");
  for (const part of [status, said]) part.setAttribute("aria-live", "polite");
  return { canvas, status, hint, said };
}

// The notebook must not take arrows, Enter or digits for commands of its own while they are meant for the explorer.
// JupyterLab asks the focused element itself, before it looks for a command; keys with Ctrl stay the notebook's.
function claimKeys(el) {
  const home = () => el.closest(".bal-explorer") || el;
  const claim = (event) => {
    if (home().contains(event.target))
      event.target.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey || event.altKey));
  };
  window.addEventListener("keydown", claim, true);
  return () => window.removeEventListener("keydown", claim, true);
}

// The number beside a slider with a minus sign; while it is typed it has the hyphen that ipywidgets reads.
function withMinus(typed) {
  const swap = (from, to) => { if (typed.textContent.startsWith(from)) typed.textContent = typed.textContent.replace(from, to); };
  const shown = () => { if (document.activeElement !== typed) swap("-", "−"); };
  new MutationObserver(shown).observe(typed, { childList: true, characterData: true, subtree: true });
  typed.addEventListener("focus", () => swap("−", "-"));
  typed.addEventListener("keydown", (event) => { if (event.key === "Enter") swap("−", "-"); }, true);
  typed.addEventListener("blur", () => { swap("−", "-"); setTimeout(shown); }, true);
  shown();
}

// Tells screen readers and keys what ipywidgets only shows: the names of sliders and of the numbers beside them, and that
// the line below the picture opens. Does nothing the second time.
function nameControls(el) {
  const home = el.closest(".bal-explorer") || el;
  for (const slider of home.querySelectorAll(".widget-hslider")) {
    const words = slider.querySelector("label"), handle = slider.querySelector(".noUi-handle"), typed = slider.querySelector(".widget-readout");
    if (words && handle) handle.setAttribute("aria-label", words.textContent);
    if (words && typed && !typed.hasAttribute("role")) {
      withMinus(typed);
      typed.setAttribute("role", "textbox");
      typed.setAttribute("aria-label", `${words.textContent}, as a number`);
    }
  }
  for (const header of home.querySelectorAll(".jupyter-widget-Collapse-header:not([role])")) {
    const tell = () => header.setAttribute("aria-expanded", header.parentElement.classList.contains("jupyter-widget-Collapse-open"));
    header.tabIndex = 0;
    header.setAttribute("role", "button");
    header.addEventListener("click", () => setTimeout(tell));
    header.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      header.click();
    });
    tell();
  }
}

class Picture {
  constructor(model, el) {
    Object.assign(this, elements(el), { model, el, areas: [], targets: [], cursor: null, keyboard: false, drawn: 0, asked: 0 });
    this.unpack();
    this.model.on("change:scene", this.onScene = () => {
      if (this.model.get("motion")) this.animate(); else this.tween = null;
      this.unpack();
      this.ask();
    });
    this.model.on("change:status change:busy change:failed", this.onStatus = () => this.say());
    this.watcher = new ResizeObserver(() => this.rest());
    this.watcher.observe(el);
    this.say();
    this.ask();
  }

  unpack() { this.scene = unpacked(this.model.get("scene")); }

  say() {
    this.status.textContent = this.model.get("status");
    this.keepHeight();
    this.status.classList.toggle("bal-failed", this.model.get("failed"));
    this.el.classList.toggle("bal-busy", this.model.get("busy"));
    this.canvas.setAttribute("aria-busy", this.model.get("busy"));
  }

  // However many scenes arrive between two frames of the screen, only the last is drawn.
  ask() {
    if (!this.asked) this.asked = requestAnimationFrame(() => { this.asked = 0; this.draw(); });
  }

  // The status line grows with its sentences and does not shrink again, so that nothing below it moves.
  keepHeight() {
    const { status } = this;
    if (!(status.offsetHeight > (this.tallest || 0))) return;
    this.tallest = status.offsetHeight;
    status.style.minHeight = `${this.tallest}px`;
    this.ask(); // where the height is limited, the picture gives way
  }

  // After a change of size: another width has another height of the status line.
  rest() {
    if (this.room !== this.el.clientWidth) {
      Object.assign(this, { room: this.el.clientWidth, tallest: 0 });
      this.status.style.minHeight = "";
      this.keepHeight();
    }
    this.ask();
  }

  // The next draws fade from the present picture to the coming one, in which new marks shrink to their size.
  animate() {
    if (!this.canvas.width || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const before = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    before.getContext("2d").drawImage(this.canvas, 0, 0);
    this.tween = { before, marks: marksOf(this.scene), since: performance.now() };
  }

  // Width in pixels and size of the letters: of the cell, or in a lecture as large as the screen allows.
  size() {
    const room = this.el.clientWidth, { scene } = this;
    if (!this.el.classList.contains("bal-lecture")) {
      // in a very narrow cell the picture is scrolled: text must not shrink, and needs its room
      const width = Math.min(Math.max(room, scene.width * 0.7), scene.width * (this.model.get("grow") || 1.25));
      const fits = Math.min(width, Math.max(scene.width * 0.4, this.widest(parseFloat(getComputedStyle(this.el).maxHeight) - 2)));
      return { width: fits, unit: Math.max(1, fits / scene.width) };
    }
    const width = Math.min(room, this.widest(this.el.clientHeight));
    return { width, unit: Math.max(1.6, width / scene.width) };
  }

  // The width at which the picture, and all that stands above and below it, is so high; without bounds where no height is given.
  widest(height) {
    if (!Number.isFinite(height)) return Infinity;
    const others = [...this.el.children].filter((part) => part !== this.canvas && getComputedStyle(part).position === "static");
    const free = height - others.reduce((sum, part) => sum + part.offsetHeight, 0);
    return (free * this.scene.width) / this.scene.height;
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    if (!(this.el.clientWidth > 0) || !this.scene.panels.length) return;
    const { width, unit } = this.size();
    const height = (width * this.scene.height) / this.scene.width, { canvas } = this;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      Object.assign(canvas, { width: w, height: h });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const context = canvas.getContext("2d");
    context.setTransform(w / width, 0, 0, h / height, 0, 0);
    this.unit = unit;
    const { tween } = this, left = tween ? 1 - (performance.now() - tween.since) / TWEEN : 0;
    const grown = (layer, i) => (left > 0 && !tween.marks.has(markKey(layer, i)) ? 1 + left : 1);
    this.areas = drawScene(context, this.scene, width, height, { unit, grown });
    if (left > 0) {
      context.globalAlpha = left;
      context.drawImage(tween.before, 0, 0, width, height);
      context.globalAlpha = 1;
      this.ask();
    } else this.tween = null;
    this.targets = targetsOf(this.scene, this.areas, this.unit);
    this.describe();
    if (this.keyboard) this.drawCursor(context);
    canvas.targets = this.targets; // lets a test find a mark by its id
    canvas.dataset.drawn = ++this.drawn;
  }

  describe() {
    const { canvas, targets, model } = this, free = this.scene.panels.some((panel) => panel.click_anywhere);
    const active = model.get("listens").length > 0;
    canvas.setAttribute("role", active ? "application" : "img");
    canvas.setAttribute("aria-label", this.scene.alt);
    canvas.style.touchAction = targets.some((target) => target.drag) ? "none" : "manipulation";
    const words = active ? [this.hand(free)] : [];
    if (free) words.push("arrow keys: move");
    else if (targets.length) words.push("arrow keys: choose");
    if (model.get("listens").includes("click") && words.length) words.push("Enter: click");
    if (targets.some((target) => target.drag)) words.push("Shift + arrow keys: drag");
    if (model.get("wanted_keys").length) words.push(`keys: ${model.get("wanted_keys").join(" ")}`);
    this.hint.textContent = words.filter(Boolean).join(" · ");
  }

  // What the hand can do, before the keys are told.
  hand(free) {
    if (this.model.get("hand")) return this.model.get("hand");
    const listens = this.model.get("listens"), words = [];
    const dragged = this.targets.filter((target) => target.drag && listens.includes("drag"));
    if (dragged.length) words.push(`drag ${[...new Set(dragged.map((target) => GLYPHS[target.shape] || THINGS[target.kind]))].join(" ")}`);
    const still = this.targets.find((target) => !target.drag);
    if (listens.includes("click") && still) words.push(`click ${THINGS[still.kind]}`);
    else if (listens.includes("click") && free) words.push(`click the ${this.scene.panels.some(({ layers }) => layers.some(({ kind }) => kind === "heat")) ? "map" : "picture"}`);
    return words.join(" · ");
  }

  // What the arrow keys have reached: the mark with the remembered id, or the free place, in pixels.
  place() {
    const { cursor, targets, areas } = this;
    if (!cursor || !areas[cursor.panel]) return null;
    const target = targets.find((one) => one.panel === cursor.panel && one.id === cursor.id);
    const area = areas[cursor.panel];
    return target || { panel: cursor.panel, id: null, x: area.toX(cursor.x), y: area.toY(cursor.y), w: 0, h: 0 };
  }

  drawCursor(context) {
    const place = this.place();
    if (!place) return;
    const { x, y, box } = place, { unit } = this;
    for (const [colour, width] of [["#ffffff", 6], ["#000000", 3]]) {
      context.strokeStyle = colour; context.lineWidth = width * unit; context.setLineDash([]);
      context.beginPath();
      if (box) context.rect(x - place.w / 2 - 2, y - place.h / 2 - 2, place.w + 4, place.h + 4);
      else if (place.id !== null) context.arc(x, y, Math.max(place.w / 2 + 6 * unit, 11 * unit), 0, 2 * Math.PI);
      else for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx * unit, y + 4 * dy * unit); context.lineTo(x + 14 * dx * unit, y + 14 * dy * unit);
      }
      context.stroke();
    }
  }

  close() {
    this.watcher.disconnect();
    cancelAnimationFrame(this.asked);
    this.model.off("change:scene", this.onScene);
    this.model.off("change:status change:busy change:failed", this.onStatus);
  }
}
