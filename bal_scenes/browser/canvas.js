// The widget: keeps the picture up to date and reports what the learner does to it. Follows layers.js and draw.js.

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
    found.push({ panel: p, id, ...place, box: layer.kind !== "points", drag: Boolean(layer.drag), name });
  })));
  return found;
}

// Sends the newest of many events and waits for its answer before the next: a slow picture never meets stale drags.
function paced(send) {
  let waiting = false, next = null;
  const go = () => {
    if (waiting || !next) return;
    waiting = true;
    send({ ...next, paced: true });
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

// Tells screen readers and keys what ipywidgets only shows: the names of sliders and of the numbers beside them, and that
// the line below the picture opens. Does nothing the second time.
function nameControls(el) {
  const home = el.closest(".bal-explorer") || el;
  for (const slider of home.querySelectorAll(".widget-hslider")) {
    const words = slider.querySelector("label"), handle = slider.querySelector(".noUi-handle"), typed = slider.querySelector(".widget-readout");
    if (words && handle) handle.setAttribute("aria-label", words.textContent);
    if (words && typed) {
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
    this.model.on("change:scene", this.onScene = () => { this.unpack(); this.ask(); });
    this.model.on("change:status change:busy change:failed", this.onStatus = () => this.say());
    this.watcher = new ResizeObserver(() => this.ask());
    this.watcher.observe(el);
    this.say();
    this.ask();
  }

  unpack() { this.scene = unpacked(this.model.get("scene")); }

  say() {
    this.status.textContent = this.model.get("status");
    this.status.classList.toggle("bal-failed", this.model.get("failed"));
    this.el.classList.toggle("bal-busy", this.model.get("busy"));
    this.canvas.setAttribute("aria-busy", this.model.get("busy"));
  }

  // However many scenes arrive between two frames of the screen, only the last is drawn.
  ask() {
    if (!this.asked) this.asked = requestAnimationFrame(() => { this.asked = 0; this.draw(); });
  }

  draw() {
    const room = this.el.clientWidth, ratio = window.devicePixelRatio || 1;
    if (!(room > 0) || !this.scene.panels.length) return;
    // in a very narrow cell the picture is scrolled: text must not shrink, and needs its room
    const width = Math.min(Math.max(room, this.scene.width * 0.7), this.scene.width * (this.model.get("grow") || 1.25));
    const height = (width * this.scene.height) / this.scene.width, { canvas } = this;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      Object.assign(canvas, { width: w, height: h });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const context = canvas.getContext("2d");
    context.setTransform(w / width, 0, 0, h / height, 0, 0);
    this.unit = Math.max(1, width / this.scene.width);
    this.areas = drawScene(context, this.scene, width, height);
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
    const words = [];
    if (free) words.push("arrow keys: move");
    else if (targets.length) words.push("arrow keys: choose");
    if (model.get("listens").includes("click") && words.length) words.push("Enter: click");
    if (targets.some((target) => target.drag)) words.push("Shift + arrow keys: drag");
    if (model.get("wanted_keys").length) words.push(`keys: ${model.get("wanted_keys").join(" ")}`);
    this.hint.textContent = words.join(" · ");
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
