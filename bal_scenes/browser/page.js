// The static page: shows stored scenes where the widget would ask Python for them. Follows input.js.

const NUMBERS = { float32: Float32Array, uint8: Uint8Array };

// The store: a length, JSON, then the bytes of the arrays that its layers name.
async function readStore(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(stream).arrayBuffer(), length = new DataView(bytes).getUint32(0, true);
  const store = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const arrays = store.arrays.map(([type, start, count]) => new NUMBERS[type](bytes, 4 + length + start, count));
  const filled = (layer) => Object.entries(layer).map(([key, value]) => [key, value?.array === undefined ? value : arrays[value.array]]);
  const layers = store.layers.map((layer) => Object.fromEntries(filled(layer)));
  for (const scene of [...store.scenes, ...store.presets.flatMap((preset) => preset.scenes)]) for (const panel of scene.panels) panel.layers = panel.layers.map((i) => layers[i]);
  return store;
}

// Stands in for the widget's model: values that tell those who listen when they change.
class Values {
  constructor(values) { Object.assign(this, { values, listeners: [] }); }
  get(name) { return this.values[name]; }
  on(names, act) { for (const name of names.split(" ")) this.listeners.push({ name, act }); }
  off(_, act) { this.listeners = this.listeners.filter((one) => one.act !== act); }
  tell(names, message) {
    for (const act of new Set(this.listeners.filter(({ name }) => names.includes(name)).map((one) => one.act))) act(message);
  }
  set(values) { Object.assign(this.values, values); this.tell(Object.keys(values).map((name) => `change:${name}`)); }
  send(event) {
    this.sent(event);
    queueMicrotask(() => this.tell(["msg:custom"], { answered: event.paced })); // later, as from Python: input.js waits for it
  }
}

// The height that a panel needs where it is as wide as the room: words keep their size, so margins do too.
function heightOf({ box, margins: [left, above, right, below], x, y, equal }, scene, room) {
  if (equal) return above + below + Math.min(2, Math.abs((y[1] - y[0]) / (x[1] - x[0]))) * Math.max(8, room - left - right);
  return box[3] * scene.height * Math.min(1.15, Math.max(0.8, room / (box[2] * scene.width)));
}

// In a narrow window the panels stand one under another, so that nothing is scrolled sideways.
function stacked(scene, room) {
  if (!(room > 0) || room >= 0.7 * scene.width) return scene;
  const heights = scene.panels.map((panel) => heightOf(panel, scene, room));
  const height = heights.reduce((sum, one) => sum + one, 0);
  let top = 0;
  const panels = scene.panels.map((panel, i) => {
    const box = [0, top / height, 1, heights[i] / height];
    top += heights[i];
    return { ...panel, box };
  });
  return { ...scene, width: room, height, panels };
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// What a copied scene asks for: the place of each control's value, and the chip whose state it is, or -1. Throws an Error
// with a sentence where the page has neither.
function placesOf(text, { kind, state, controls, first, presets, time }) {
  let found = null;
  try { found = JSON.parse(text); } catch { /* not an object either */ }
  if (found === null || typeof found !== "object" || Array.isArray(found)) {
    throw new Error("This is not a copied scene: expected {…} as “Copy scene” gives it.");
  }
  const { explorer = kind, ...values } = found;
  if (explorer !== kind) throw new Error(`This scene belongs to the explorer ${explorer}, this page is ${kind}.`);
  const names = Object.keys(state), unknown = Object.keys(values).filter((name) => !names.includes(name));
  if (unknown.length) throw new Error(`This page has no field ${unknown.join(", ")}; it has ${names.join(", ")}.`);
  const places = [...first], whole = { ...state, ...values };
  const chip = presets.findIndex((preset) => names.every((name) => name === time || same(preset.state[name], whole[name])));
  if (chip >= 0) {
    const place = controls.findIndex(({ field }) => field === time);
    if (place >= 0) places[place] = Math.max(0, controls[place].values.findIndex((one) => same(one, whole[time])));
    return { places, chip };
  }
  for (const [name, value] of Object.entries(values)) {
    const k = controls.findIndex((control) => control.field === name), known = k < 0 ? [state[name]] : controls[k].values;
    const place = known.findIndex((one) => same(one, value)), words = (one) => JSON.stringify(one);
    if (place < 0) throw new Error(`This page has no scene with ${name} ${words(value)}; it has ${known.map(words).join(", ")}.`);
    if (k >= 0) places[k] = place;
  }
  return { places, chip };
}

const make = (parent, tag, values = {}) => parent.appendChild(Object.assign(document.createElement(tag), values));

// A native control in the given row; its `place` is the number of the value it shows.
function controlIn(row, { field, label, type, values, words }, moved) {
  const id = `field-${field}`, box = make(row, "div", { className: "page-control" });
  const name = make(box, "label", { htmlFor: id, textContent: label });
  if (type === "time") { // ▶ and its scrubber stand under the picture
    box.remove();
    return { place: 0 };
  }
  if (type === "select") {
    const select = make(box, "select", { id, onchange: moved });
    words.forEach((word, i) => make(select, "option", { value: i, textContent: word }));
    return { get place() { return select.selectedIndex; }, set place(i) { select.selectedIndex = i; } };
  }
  if (type === "checkbox") {
    const input = make(box, "input", { id, type, onchange: moved });
    box.insertBefore(input, name);
    return { get place() { return values.indexOf(input.checked); }, set place(i) { input.checked = values[i]; } };
  }
  const input = make(box, "input", { id, type, min: 0, max: values.length - 1, step: 1, oninput: moved });
  const output = make(box, "output"); // aria-valuetext says it already
  output.setAttribute("aria-hidden", "true");
  output.style.minWidth = `${Math.max(...words.map((word) => word.length))}ch`;
  return {
    get place() { return Number(input.value); },
    set place(i) { input.value = i; output.value = words[i]; input.setAttribute("aria-valuetext", words[i]); },
  };
}

class Page {
  constructor(store, main) {
    this.store = store;
    this.el = main.querySelector(".page-picture > div");
    this.tip = main.querySelector(".page-tip");
    this.share = main.querySelector(".page-share");
    const rows = [...main.querySelectorAll(".page-controls")], listens = store.named ? ["hover"] : [];
    for (const row of rows) row.onsubmit = (event) => event.preventDefault();
    main.querySelector(".page-more").hidden = !store.controls.some(({ more }) => more);
    this.controls = store.controls.map((control) => controlIn(rows[control.more ? 1 : 0], control, () => this.show(this.places)));
    this.time = store.controls.findIndex(({ type }) => type === "time");
    Object.assign(this, { chip: -1, before: [] });
    this.model = new Values({
      scene: { panels: [] }, status: "", busy: false, failed: false, listens, wanted_keys: [], grow: 3, hand: "", motion: false,
      presets: store.presets.map(({ question }) => question), chosen: -1, moment: -1, play: this.time < 0 ? {} : store.play,
    });
    const told = { hover: (event) => this.point(event), preset: ({ point }) => this.take(point), moment: ({ point }) => this.play(point) };
    this.model.sent = (event) => told[event.kind]?.(event);
    render({ model: this.model, el: this.el });
    this.canvas = this.el.querySelector("canvas");
    if (!store.named) this.canvas.tabIndex = -1; // nothing for keys to choose
    this.open();
    window.addEventListener("hashchange", () => this.open());
    new ResizeObserver(() => this.fit()).observe(this.el);
    this.share.querySelector(".page-copy").onclick = () => this.copy();
    this.undo = this.share.querySelector(".page-undo");
    this.undo.hidden = !store.presets.length;
    this.undo.onclick = () => { if (this.before.length) this.show(...this.before.pop()); };
    this.share.onsubmit = (event) => { event.preventDefault(); this.paste(); };
  }

  get places() { return this.controls.map((control) => control.place); }

  set places(places) { this.controls.forEach((control, k) => { control.place = places[k]; }); }

  get text() {
    const { kind, state, controls } = this.store, places = this.places;
    const shown = this.chip < 0 ? controls.map((_, k) => k) : this.time < 0 ? [] : [this.time];
    const values = Object.fromEntries(shown.map((k) => [controls[k].field, controls[k].values[places[k]]]));
    return JSON.stringify({ explorer: kind, ...(this.chip < 0 ? state : this.store.presets[this.chip].state), ...values });
  }

  // Goes to a scene; the address follows when the hand rests, because browsers refuse many changes a second.
  show(places, chip = -1, { keepAddress = false, motion = false } = {}) {
    Object.assign(this, { places, chip });
    const moment = this.time < 0 ? -1 : places[this.time], { controls, presets, scenes } = this.store;
    this.scene = chip >= 0 ? presets[chip].scenes[Math.max(0, moment)]
      : scenes[places.reduce((sum, place, k) => sum + place * controls[k].stride, 0)];
    this.tip.hidden = true;
    this.model.set({ scene: stacked(this.scene, this.el.clientWidth), status: this.scene.status, failed: false, motion });
    this.model.set({ chosen: chip, moment });
    clearTimeout(this.resting);
    if (!keepAddress) this.resting = setTimeout(() => history.replaceState(null, "", `#${encodeURIComponent(this.text)}`), 300);
  }

  // The scene of a chip; Undo goes back from it.
  take(chip) {
    this.before.push([this.places, this.chip]);
    const places = this.places;
    if (this.time >= 0) places[this.time] = this.store.presets[chip].moment;
    this.show(places, chip);
  }

  play(moment) {
    const places = this.places, motion = moment === places[this.time] + 1;
    places[this.time] = moment;
    this.show(places, this.chip, { motion });
  }

  fit() { this.model.set({ scene: stacked(this.scene, this.el.clientWidth) }); }

  fail(error, also = "") { this.model.set({ status: error.message + also, failed: true }); }

  // The scene of the address, or the first one and a sentence. The address stays, so that it can be mended.
  open() {
    let text = location.hash.slice(1);
    try { text = decodeURIComponent(text); } catch { /* typed by hand, with a bare % */ }
    const open = ({ places, chip }) => this.show(places, chip, { keepAddress: true });
    if (!text) return open({ places: this.store.first, chip: -1 });
    try { open(placesOf(text, this.store)); } catch (error) {
      open({ places: this.store.first, chip: -1 });
      this.fail(error, " Here is the page’s first scene.");
    }
  }

  copy() {
    const field = this.share.querySelector("input");
    field.value = this.text;
    navigator.clipboard?.writeText(field.value).catch(() => {});
    this.model.set({ status: "The scene is in the field and, where the browser allows, on the clipboard.", failed: false });
  }

  paste() {
    try {
      const { places, chip } = placesOf(this.share.querySelector("input").value, this.store);
      this.show(places, chip);
    } catch (error) { this.fail(error); }
  }

  // The name of the mark under the pointer, beside it; those who come by keyboard have it read to them by input.js.
  point({ panel, point }) {
    const target = point === null ? null : this.canvas.targets.find((one) => one.panel === panel && one.id === point);
    this.tip.hidden = !target?.name;
    if (this.tip.hidden) return;
    this.tip.textContent = target.name;
    const x = this.canvas.offsetLeft + target.x, across = this.el.clientWidth;
    const left = Math.min(x, Math.max(0, across - this.tip.offsetWidth - 4)), top = target.y + target.h / 2 + 8;
    Object.assign(this.tip.style, { left: `${left}px`, top: `${top}px` });
  }
}

readStore(document.getElementById("scenes").textContent).then(
  (store) => new Page(store, document.querySelector("main")),
  (error) => {
    const told = `The scenes could not be read: this page needs a browser of 2023 or later. (${error.message})`;
    document.querySelector(".page-picture").textContent = told;
  },
);
