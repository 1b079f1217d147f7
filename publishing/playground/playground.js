// The page: two lanes that race, each with labels, boundary and curve of its own. Follows the widget engine, engine.js and
// worker.js; the same script is the worker's.
//
// What is shown follows from the settings, the labels that each lane has bought round by round, the points that were moved,
// and the round. Everything else is an answer of a worker, kept under the text of its task: going back is free.

const GOAL = 30; // labels at which playing ends
const FLAT = 1e-4; // scores that differ by less are rounding errors: no colours for them
const PACE = { slow: 700, fast: 150 }; // milliseconds a round, where the networks are ready
const PULSE = 0.3, DROP = 0.6; // shares of a round after which the ring has pulsed, and the label lies in its place
const MORPH = 200; // milliseconds in which a boundary moves to where new labels put it
const SURE = 0.15, MAIN = 0.6; // nats of doubt below which a place is settled; share that makes one term the main one
const RANDOM_RUNS = 5;
const HAND = "click a dot: buy its label · drag ● ▲ · point anywhere: the doubt there · Space: play";

const TITLES = { ...Object.fromEntries(Object.entries(LOOKS).map(([name, look]) => [name, look.title])), you: "You" };
const YOU = { title: "You", colour: PALETTE.vermillion, dash: "solid", shape: "star" };
const lookOf = (strategy) => LOOKS[strategy] ?? YOU;
const MENU = [["Committee", ["bald", "batchbald", "epig"]], ["Boundary", ["margin", "entropy"]], ["Diversity", ["core_set"]], ["No thought", ["random"]], ["A person", ["you"]]];
const SHOWN = { score: "score of the strategy", total: "all doubt", noise: "noise", taught: "what a label teaches", prob: "probability of ▲" };

// name in the address -> first value, and how a value that was typed is checked
const within = (low, high, step) => ({ low, high, step, ok: (value) => Number.isFinite(value) && value >= low && value <= high && (step < 1 || Number.isInteger(value)) });
const among = (names) => ({ names, ok: (value) => names.includes(value) });
const FIELDS = {
  s: ["bald", among(Object.keys(TITLES))], v: ["random", among(Object.keys(TITLES))], d: ["moons", among(Object.keys(DATA_SETS))],
  q: ["dropout", among(["dropout", "ensemble"])], t: [20, within(1, MOST_SAMPLES, 1)], p: [0.2, within(0, 0.9, 0.1)],
  n: [0.1, within(0, 0.5, 0.05)], seed: [8, within(0, 99, 1)], f: [6, within(2, 20, 1)], b: [1, within(1, 8, 1)],
  show: ["score", among(Object.keys(SHOWN))],
};
const WORDS = { q: "Posterior", t: "Networks T", p: "Dropout p", n: "Noise", seed: "Seed", f: "First labels", b: "Labels a round", show: "Map" };
const DEFAULTS = Object.fromEntries(Object.entries(FIELDS).map(([name, [value]]) => [name, value]));
const RESTARTS = ["d", "n", "seed", "f"]; // another value is another race

const QUESTIONS = [
  ["Does BALD beat random?", {}],
  ["Who buys noise?", { s: "bald", v: "entropy", n: 0.35 }],
  ["XOR: who finds the fourth corner?", { s: "bald", v: "core_set", d: "xor", f: 4 }],
  ["What does one network not know?", { s: "bald", v: "entropy", t: 1 }],
  ["One of the first labels is wrong. Who recovers?", { s: "bald", v: "margin", d: "wrong" }],
  ["Five at a time: who repeats itself?", { s: "batchbald", v: "bald", b: 5, f: 5 }],
  ["A spiral: spread out or ask the committee?", { s: "core_set", v: "bald", d: "spiral", n: 0.1 }],
  ["Can you beat BALD?", { s: "you", v: "bald", f: 4 }],
];

// --- words ------------------------------------------------------------------------------------------------------------

const minus = (words) => words.replace("-", "−");
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const nats = (value) => value.toFixed(2);
const labels = (count) => `${count} label${count === 1 ? "" : "s"}`;

// What kind of place this is; `alone` where a single network was asked.
function kindOfPlace({ total, noise, taught, prob }, alone) {
  if (total < SURE) return `the network${alone ? " is sure of" : "s agree on"} class ${prob > 0.5 ? 1 : 0}`;
  if (alone) return "the network calls it a toss-up, and no other can contradict it";
  if (taught > MAIN * total) return "each network is sure and they contradict each other: a label teaches";
  if (noise > MAIN * total) return "all networks agree that it is a toss-up: a label teaches little";
  return "toss-up and disagreement mix";
}

// The three terms as they are written: what is rounded still adds up.
function written({ total, noise }) {
  const [all, part] = [total, noise].map((value) => Math.round(100 * value));
  return [all, part, Math.max(0, all - part)].map((hundredths) => nats(hundredths / 100));
}

const termsAt = ({ total_N, noise_N, taught_N, prob_N }, i) => ({ total: total_N[i], noise: noise_N[i], taught: taught_N[i], prob: prob_N[i] });

// Label sets of the band: random orders after so many further labels.
const bandSets = stage(({ data, noise, seed, start }) => {
  const first = dataSet(data, noise, seed).first.slice(0, start), counts = [...new Set([0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * (GOAL - start))))];
  return Array.from({ length: RANDOM_RUNS }, (_, run) => {
    const order = permutation(NUM_POOL, stream("random run", seed, run)).filter((i) => !first.includes(i));
    return counts.map((count) => [...first, ...order.slice(0, count)]);
  });
}, 4);

// --- the address ------------------------------------------------------------------------------------------------------

// Points as two letters each, the rounds of a lane between stops.
const packed = (rounds) => rounds.map((round) => round.map((i) => i.toString(36).padStart(2, "0")).join("")).join(".");
function unpackedRounds(text) {
  if (!/^([0-9a-z]{2}|\.)*$/.test(text)) throw new Error(`The address has points that cannot be read: ${text}.`);
  const rounds = text.split(".").map((round) => (round.match(/../g) ?? []).map((pair) => parseInt(pair, 36)));
  const all = rounds.flat();
  if (all.some((i) => i >= NUM_POOL) || new Set(all).size < all.length) throw new Error(`The address has points that are not there: ${text}.`);
  return rounds;
}

function toAddress({ settings, bought, moves, round }) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(settings)) if (value !== DEFAULTS[name]) words.set(name, value);
  bought.forEach((rounds, lane) => { if (rounds.length) words.set("xy"[lane], packed(rounds)); });
  if (round !== Math.max(bought[0].length, bought[1].length)) words.set("r", round);
  if (moves.length) words.set("m", moves.map((move) => move.join("_")).join("."));
  return words.toString();
}

// Throws an Error with a sentence where an address asks for what is not there.
function fromAddress(text) {
  const words = new URLSearchParams(text), settings = { ...DEFAULTS };
  for (const [name, typed] of words) {
    if (["x", "y", "r", "m"].includes(name)) continue;
    if (!Object.hasOwn(FIELDS, name)) throw new Error(`The address has ${name}, which the playground does not know; it knows ${Object.keys(FIELDS).join(", ")}.`);
    const [first, range] = FIELDS[name], value = typeof first === "number" ? Number(typed) : typed;
    if (typed === "" || !range.ok(value)) throw new Error(`The address has ${name}=${typed}; expected ${range.names ? range.names.join(", ") : `${range.low} to ${range.high}`}.`);
    settings[name] = value;
  }
  const bought = ["x", "y"].map((name) => (words.get(name) ? unpackedRounds(words.get(name)) : []));
  while (bought[0].length < bought[1].length) bought[0].push([]);
  while (bought[1].length < bought[0].length) bought[1].push([]);
  const moves = (words.get("m") ?? "").split(".").filter(Boolean).map((move) => move.split("_").map(Number));
  const away = ([i, x, y]) => !(Number.isInteger(i) && i >= 0 && i < NUM_POOL && x >= PLANE.x[0] * 100 && x <= PLANE.x[1] * 100 && y >= PLANE.y[0] * 100 && y <= PLANE.y[1] * 100);
  if (moves.some(away)) throw new Error("The address moves a point out of the plane.");
  const last = bought[0].length, round = words.has("r") ? Number(words.get("r")) : last;
  if (!(Number.isInteger(round) && round >= 0 && round <= last)) throw new Error(`The address has r=${words.get("r")}; expected 0 to ${last}.`);
  return { settings, bought, moves, round };
}

// --- layers of the scene ----------------------------------------------------------------------------------------------

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// From the colour of class 0 over white to that of class 1.
function classTable() {
  const ends = CLASS_COLOURS.map((code) => [1, 3, 5].map((i) => parseInt(code.slice(i, i + 2), 16)));
  return Uint8Array.from(Array.from({ length: 256 }, (_, i) => {
    const far = Math.abs(i - 127.5) / 127.5, end = ends[i > 127 ? 1 : 0];
    return end.map((part) => Math.round(255 + (part - 255) * far));
  }).flat());
}

// The root spreads out small scores; a scale begins at zero and is the same for a family at all times.
const ROOT_NATS = { low: 0, high: Math.sqrt(LOG_2), shade: Math.sqrt, ticks: [0, 0.05, 0.2, 0.4, 0.69].map((value) => [Math.sqrt(value), String(value)]) };
const FAMILIES = {
  nats: ROOT_NATS,
  margin: { low: -1, high: 0, shade: (value) => value, ticks: [[-1, "−1"], [-0.5, "−0.5"], [0, "0"]] },
  distance: { low: 0, high: Math.sqrt(30), shade: Math.sqrt, ticks: [0, 2, 10, 30].map((value) => [Math.sqrt(value), String(value)]) },
  prob: { low: 0, high: 1, shade: (value) => value, ticks: [[0, "0"], [0.5, "½"], [1, "1"]] },
};
const FAMILY_OF = { margin: "margin", core_set: "distance" };

// Where a grid of values takes a level, as short lines between NaN; beyond the middles of the outer cells it goes straight on.
function contourOf(values_G, level) {
  const xs = [], ys = [], wide = (PLANE.x[1] - PLANE.x[0]) / COLUMNS, high = (PLANE.y[1] - PLANE.y[0]) / ROWS;
  const at = (c, r) => values_G[Math.min(ROWS - 1, Math.max(0, r)) * COLUMNS + Math.min(COLUMNS - 1, Math.max(0, c))] - level;
  const toX = (c) => Math.min(PLANE.x[1], Math.max(PLANE.x[0], PLANE.x[0] + (c + 0.5) * wide));
  const toY = (r) => Math.min(PLANE.y[1], Math.max(PLANE.y[0], PLANE.y[0] + (r + 0.5) * high));
  const add = (x, y) => { xs.push(x); ys.push(y); };
  for (let r = -1; r < ROWS; r++) for (let c = -1; c < COLUMNS; c++) {
    const heights = [at(c, r), at(c + 1, r), at(c + 1, r + 1), at(c, r + 1)], above = heights.filter((height) => height >= 0).length;
    if (above === 0 || above === 4) continue;
    const x = [toX(c), toX(c + 1), toX(c + 1), toX(c)], y = [toY(r), toY(r), toY(r + 1), toY(r + 1)];
    let cuts = 0;
    for (let i = 0, j = 1; i < 4; j = (++i + 1) % 4) {
      if (heights[i] < 0 === heights[j] < 0) continue;
      const share = heights[i] / (heights[i] - heights[j]);
      add(x[i] + share * (x[j] - x[i]), y[i] + share * (y[j] - y[i]));
      if (++cuts % 2 === 0) add(NaN, NaN);
    }
  }
  return [Float32Array.from(xs), Float32Array.from(ys)];
}

const line = (x, y, style) => ({ kind: "line", x: Float32Array.from(x), y: Float32Array.from(y), colour: PALETTE.black, width: 2, dash: "solid", opacity: 1, label: "", ...style });
const points = (x, y, style) => ({ kind: "points", x, y, shape: "circle", colour: PALETTE.grey, size: 8, filled: true, opacity: 1, ids: null, drag: false, names: null, labels: null, label: "", ...style });
const text = (x, y, words, style) => ({ kind: "text", x: [x], y: [y], words: [words], colour: PALETTE.black, size: 14, align: "center", bold: false, offset: [0, 0], halo: true, label: "", ...style });
const rect = (x0, x1, y0, y1, style) => ({ kind: "rects", x0: [x0], x1: [x1], y0: [y0], y1: [y1], colour: PALETTE.blue, hatch: "", opacity: 1, ids: null, names: null, label: "", ...style });
const panel = (box, layers, told) => ({ box, margins: [14, 36, 14, 12], x: [0, 1], y: [0, 1], title: "", x_label: "", y_label: "", x_ticks: [], y_ticks: [], legend: "", equal: false, click_anywhere: false, layers, ...told });

// White below black: seen on the darkest colour and on the brightest.
function haloed(values_G, level, width) {
  const [x, y] = contourOf(values_G, level);
  return [line(x, y, { colour: "#ffffff", width: width + 4 }), line(x, y, { width })];
}

const mix = (from, to, share) => (share >= 1 || !from ? to : to.map((value, i) => from[i] + share * (value - from[i])));
const ease = (share) => { const t = Math.min(1, Math.max(0, share)); return t * t * (3 - 2 * t); };

// --- the model that the widget engine's picture asks, in the place of a notebook's -----------------------------------

class Model {
  constructor(values) { Object.assign(this, { values, heard: [], events: () => {} }); }
  get(name) { return this.values[name]; }
  on(names, act) { this.heard.push(...names.split(" ").map((name) => ({ name, act }))); }
  off(_, act) { this.heard = this.heard.filter((one) => one.act !== act); }
  tell(name, message) { for (const one of this.heard.filter((one) => one.name === name)) one.act(message); }
  set(values) {
    const changed = Object.keys(values).filter((name) => this.values[name] !== values[name]);
    Object.assign(this.values, values);
    for (const name of changed) this.tell(`change:${name}`);
  }
  send(event) {
    this.events(event);
    queueMicrotask(() => this.tell("msg:custom", { answered: true })); // later, as from Python: the picture waits for it
  }
}

// --- workers: one for each lane --------------------------------------------------------------------------------------

// Gives a worker one task after another; `next()` says which is the most wanted now, so that nothing old is ever waited for.
class Bench {
  constructor(address, next, answered) {
    Object.assign(this, { next, answered, busy: null });
    this.worker = new Worker(address);
    this.worker.onmessage = ({ data }) => {
      const done = this.busy;
      this.busy = null;
      performance.measure(done.wanted, { start: done.asked, end: performance.now() });
      this.answered(done, data);
    };
    this.worker.onerror = (event) => { this.failed = event.message; this.answered(null, null); };
  }

  pump() {
    if (this.busy || this.failed) return;
    const wanted = this.next();
    if (!wanted) return;
    this.busy = { ...wanted, asked: performance.now() };
    this.worker.postMessage({ task: wanted.task, wanted: wanted.wanted });
  }
}

// --- the page --------------------------------------------------------------------------------------------------------

class Playground {
  constructor(main, script) {
    Object.assign(this, { main, pictures: new Map(), worths: new Map(), past: [], playing: false, pace: "slow" });
    Object.assign(this, { lanes: [{}, {}], at: null, peek: null, held: null, began: 0, told: "", memo: {}, asked: 0, full: false });
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.state = { settings: { ...DEFAULTS }, bought: [[], []], moves: [], round: 0 };
    this.heat = bytes(HEAT_TABLE);
    this.classes = classTable();
    this.el = main.querySelector(".picture > div");
    this.model = new Model({ scene: { panels: [] }, status: "", busy: false, failed: false, listens: ["click", "hover", "drag"], wanted_keys: [], grow: 3, hand: HAND });
    this.model.events = (event) => this.happened(event);
    render({ model: this.model, el: this.el });
    this.canvas = this.el.querySelector("canvas");
    const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this.benches = [0, 1].map((lane) => new Bench(address, () => this.mostWanted(lane), (done, answer) => this.answered(lane, done, answer)));
    this.buildControls();
    this.hideControls();
    this.open();
    window.addEventListener("hashchange", () => this.open());
    window.addEventListener("keydown", (event) => this.key(event), true);
    document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement) this.fill(false); });
    new ResizeObserver(() => this.draw()).observe(this.el);
    this.canvas.addEventListener("touchstart", (event) => this.finger(event), { passive: false });
    this.touch();
    this.arrive();
  }

  // --- state ---

  get settings() { return this.state.settings; }
  get strategies() { return [this.settings.s, this.settings.v]; }
  get head() { return this.state.bought[0].length; }
  get round() { return this.peek ?? this.state.round; }

  get data() {
    const { d: data, n: noise, seed } = this.settings;
    return dataOf({ data, noise, seed, moves: this.state.moves.map(([i, x, y]) => [i, x / 100, y / 100]) });
  }

  labelledAt(lane, round) { return [...this.data.first.slice(0, this.settings.f), ...this.state.bought[lane].slice(0, round).flat()]; }

  task(lane, labelled) {
    const { d: data, n: noise, seed, q: posterior, t, p: dropout, b } = this.settings, room = GOAL - labelled.length;
    return {
      data, noise, seed, moves: this.state.moves.map(([i, x, y]) => [i, x / 100, y / 100]), posterior, dropout: posterior === "dropout" ? dropout : 0,
      samples: posterior === "ensemble" ? Math.min(t, MEMBERS) : t, labelled: [...labelled].sort((a, b) => a - b),
      strategy: this.strategies[lane], batch: room > 0 ? Math.min(b, room) : b,
    };
  }

  pictureAt(lane, round) { return this.pictures.get(JSON.stringify(this.task(lane, this.labelledAt(lane, round)))); }

  worthKey({ strategy, batch, ...fit }) { return JSON.stringify(fit); }

  worthAt(lane, round) { return this.worths.get(this.worthKey(this.task(lane, this.labelledAt(lane, round)))); }

  // What the next round of a lane brings: what it has bought before, or what its strategy asks for.
  nextOf(lane) {
    if (this.state.round < this.head) return this.state.bought[lane][this.state.round];
    const picture = this.pictureAt(lane, this.state.round);
    return picture && picture.asked.length ? picture.asked : null;
  }

  get band() {
    const { d: data, n: noise, seed, f: start } = this.settings;
    return bandSets({ data, noise, seed, start });
  }

  // Computed once for each state of the page.
  once(name, compute) { return this.memo[name] ??= compute(); }

  // --- work for the workers ---

  mostWanted(lane) {
    const { round } = this, picture = (labelled) => {
      const task = this.task(lane, labelled);
      return this.pictures.has(JSON.stringify(task)) ? null : { wanted: "picture", task };
    };
    const worth = (labelled) => {
      const task = this.task(lane, labelled);
      return this.worths.has(this.worthKey(task)) ? null : { wanted: "worth", task };
    };
    const now = picture(this.labelledAt(lane, round));
    if (now || this.held) return now;
    const next = this.peek === null ? this.nextOf(lane) : null;
    const ahead = next && picture([...this.labelledAt(lane, round), ...next]);
    if (ahead) return ahead;
    for (let r = this.head; r >= 0; r--) { const found = worth(this.labelledAt(lane, r)); if (found) return found; }
    if (this.playing || lane === 0) return null;
    for (const run of this.band) for (const labelled of run) { const found = worth(labelled); if (found) return found; }
    return null;
  }

  answered(lane, done, answer) {
    if (!done) return this.fail(`The networks cannot be trained here: ${this.benches[lane].failed}`);
    if (done.wanted === "picture") this.pictures.set(JSON.stringify(done.task), answer);
    this.worths.set(this.worthKey(done.task), answer.accuracy);
    if (this.pictures.size > 600) this.pictures.delete(this.pictures.keys().next().value);
    this.touch({ keepAddress: true });
    if (!this.pending || !this.pictureAt(1 - this.pending[0], this.state.round)) return;
    const [buyer, point] = this.pending;
    this.pending = null;
    this.buy(buyer, point);
  }

  // Something has changed: the workers are asked for what is missing, the picture is drawn anew.
  touch({ keepAddress = false } = {}) {
    this.memo = {};
    for (const bench of this.benches) bench.pump();
    this.showControls();
    this.draw();
    if (keepAddress) return;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => history.replaceState(null, "", `#${toAddress(this.state)}`), 300); // browsers refuse many changes a second
  }

  // --- what the hand does ---

  remember() {
    this.past.push(JSON.stringify(this.state));
    if (this.past.length > 100) this.past.shift();
  }

  undo() {
    if (!this.past.length) return this.say("There is nothing to undo.");
    this.stop();
    this.state = JSON.parse(this.past.pop());
    this.say("");
    this.touch();
  }

  open() {
    this.stop();
    this.say("");
    try { this.state = fromAddress(location.hash.slice(1)); } catch (error) {
      this.state = fromAddress("");
      this.fail(`${error.message} Here is the playground’s beginning.`);
    }
    this.touch({ keepAddress: true });
  }

  // The race begins anew where the data change; otherwise it goes on from the labels that are there.
  change(values) {
    this.remember();
    this.say("");
    Object.assign(this.settings, values);
    if (Object.keys(values).some((name) => RESTARTS.includes(name))) Object.assign(this.state, { bought: [[], []], moves: [], round: 0 });
    else this.cut();
    this.touch();
  }

  // What lies ahead of the round was bought by other settings: it goes.
  cut() { this.state.bought = this.state.bought.map((rounds) => rounds.slice(0, this.state.round)); }

  ask(settings) {
    this.remember();
    this.say("");
    this.state = { settings: { ...DEFAULTS, ...settings }, bought: [[], []], moves: [], round: 0 };
    this.stop();
    this.touch();
    if (!this.still && !this.strategies.includes("you")) this.play();
    else if (this.strategies.includes("you")) this.say("It is your turn: click a dot.");
  }

  restart() {
    this.remember();
    this.stop();
    this.say("");
    Object.assign(this.state, { bought: [[], []], moves: [], round: 0 });
    this.touch();
  }

  // A person buys one point; the other lane buys one too, so that both have as many labels.
  buy(lane, point) {
    this.stop();
    const taken = this.labelledAt(lane, this.state.round);
    if (taken.includes(point)) return this.say("This point has its label. Drag it to move it.");
    const other = 1 - lane, picture = this.pictureAt(other, this.state.round);
    if (!picture) return void (this.pending = [lane, point]); // as soon as it is known what the other lane asks for
    this.remember();
    this.say("");
    this.cut();
    this.state.bought[lane].push([point]);
    this.state.bought[other].push(picture.asked.slice(0, 1));
    this.begin();
    this.state.round++;
    this.touch();
  }

  // One round in both lanes, if it is known what they ask for.
  advance() {
    const next = [this.nextOf(0), this.nextOf(1)];
    if (next.includes(null)) return false;
    if (this.state.round === this.head) next.forEach((points, lane) => this.state.bought[lane].push([...points]));
    this.begin();
    this.state.round++;
    this.touch();
    return true;
  }

  begin() { this.began = performance.now(); }

  step() {
    this.stop();
    const stuck = this.stuck();
    if (stuck) return this.say(stuck);
    this.remember();
    this.say("");
    if (!this.advance()) this.stepping = true; // as soon as the networks are trained
  }

  // Why no round can follow, in a sentence, or nothing.
  stuck() {
    if (this.state.round < this.head) return "";
    if (this.strategies.includes("you")) return "It is your turn: click a dot.";
    return this.labelledAt(0, this.state.round).length >= NUM_POOL ? "Every point has its label: there is nothing left to ask." : "";
  }

  get over() { return this.state.round >= this.head && this.labelledAt(0, this.state.round).length >= GOAL; }

  play() {
    if (this.over) this.state.round = 0; // what was computed is kept
    const stuck = this.stuck();
    if (stuck) return this.say(stuck);
    this.remember();
    this.say("");
    this.playing = true;
    this.began = performance.now() - PACE[this.pace];
    this.el.querySelector(".bal-status").setAttribute("aria-live", "off");
    this.touch();
  }

  stop() {
    this.playing = this.stepping = false;
    this.pending = null;
    this.el.querySelector(".bal-status").setAttribute("aria-live", "polite");
    this.showControls();
  }

  toggle() { this.playing ? (this.stop(), this.touch()) : this.play(); }

  // Plays once on arrival, when the page is in sight, unless the address tells of a race or motion is not wanted.
  arrive() {
    if (this.still || this.head || this.strategies.includes("you")) return;
    const watcher = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      watcher.disconnect();
      if (this.head || this.playing) return;
      this.play();
    }, { threshold: 0.3 });
    watcher.observe(this.el);
  }

  happened({ kind, panel: number, x, y, point }) {
    if (kind === "hover") {
      this.at = number < 2 && x !== null ? { lane: number, x, y } : null;
      const peek = number === 2 && x !== null ? this.roundAt(x) : null;
      if (peek !== this.peek) { this.peek = peek; this.touch({ keepAddress: true }); }
      return this.draw();
    }
    if (number > 1) { if (number === 2 && kind === "click") this.scrub(this.roundAt(x)); return; }
    if (kind === "click") return point === null ? undefined : this.buy(number, point);
    if (!this.held) { this.remember(); this.stop(); this.cut(); }
    this.held = kind === "drag" ? point : null;
    const place = [[x, PLANE.x], [y, PLANE.y]].map(([value, [low, high]]) => Math.round(100 * Math.min(high, Math.max(low, value))));
    this.state.moves = [...this.state.moves.filter(([i]) => i !== point), [point, ...place]];
    this.touch({ keepAddress: kind === "drag" });
  }

  // A finger on a labelled mark drags it; anywhere else it scrolls the page.
  finger(event) {
    const [{ clientX, clientY }] = event.touches, { left, top } = this.canvas.getBoundingClientRect();
    const near = ({ drag, x, y }) => drag && Math.hypot(x - clientX + left, y - clientY + top) < 22;
    if (this.canvas.targets?.some(near)) event.preventDefault();
  }

  roundAt(x) {
    const near = (r) => Math.abs(this.labelledAt(0, r).length - x);
    return Array.from({ length: this.head + 1 }, (_, r) => r).reduce((best, r) => (near(r) < near(best) ? r : best), 0);
  }

  // Goes to a round that is known; to one that lies ahead it plays.
  scrub(round) {
    if (round > this.head) return void (this.playing || this.play());
    this.stop();
    this.peek = null;
    this.state.round = round;
    this.began = 0;
    this.touch();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && document.documentElement.classList.contains("full")) return this.fill(false);
    const control = event.target.closest?.("button, select, input[type=checkbox]");
    if (event.key !== " " || control || event.repeat) return;
    event.preventDefault();
    event.stopPropagation();
    this.toggle();
  }

  say(words) { this.told = words; this.failed = false; this.draw(); }
  fail(words) { this.told = words; this.failed = true; this.draw(); }

  // --- controls ---

  find(id) { return this.main.querySelector(`#${id}`); }

  buildControls() {
    const acts = { play: () => this.toggle(), step: () => this.step(), undo: () => this.undo(), restart: () => this.restart(), copy: () => this.copy(), full: () => this.fill(!document.documentElement.classList.contains("full")) };
    for (const [id, act] of Object.entries(acts)) this.find(id).onclick = act;
    for (const pace of ["slow", "fast"]) this.find(pace).onclick = () => { this.pace = pace; this.showControls(); };
    this.find("round").oninput = ({ target }) => this.scrub(Number(target.value));
    this.find("more").onclick = () => { this.find("others").hidden = !this.find("others").hidden; this.showControls(); };
    for (const form of this.main.querySelectorAll("form")) form.onsubmit = (event) => event.preventDefault();
    const add = (parent, tag, told) => parent.appendChild(Object.assign(document.createElement(tag), told));
    const list = (id, options) => {
      const select = this.find(id) ?? add(add(this.find("others"), "label", { textContent: `${WORDS[id]} ` }), "select", { id });
      for (const [value, words] of Object.entries(options)) add(select, "option", { value, textContent: words });
      select.onchange = () => this.change({ [id]: select.value });
    };
    for (const id of ["s", "v"]) {
      for (const [kind, names] of MENU) {
        const group = add(this.find(id), "optgroup", { label: kind });
        for (const name of names) add(group, "option", { value: name, textContent: TITLES[name] });
      }
      this.find(id).onchange = ({ target }) => this.change({ [id]: target.value });
    }
    list("d", Object.fromEntries(Object.entries(DATA_SETS).map(([name, { title }]) => [name, title])));
    list("show", SHOWN);
    list("q", { dropout: "MC-dropout", ensemble: `ensemble, up to ${MEMBERS} networks` });
    for (const id of ["t", "p", "n", "seed", "f", "b"]) {
      const { low, high, step } = FIELDS[id][1], label = add(this.find("others"), "label", { textContent: `${WORDS[id]} ` });
      const input = add(label, "input", { type: "range", id, min: low, max: id === "seed" ? 20 : high, step });
      add(label, "output", { htmlFor: id });
      input.oninput = () => this.slide(id, Number(input.value));
    }
    this.chips = QUESTIONS.map(([question, settings]) => [add(this.main.querySelector(".chips"), "button", { type: "button", textContent: question, onclick: () => this.ask(settings) }), JSON.stringify({ ...DEFAULTS, ...settings })]);
  }

  // A slider's whole way is one step of Undo.
  slide(id, value) {
    if (performance.now() - (this.slid?.[id] ?? -Infinity) < 600) this.past.pop();
    this.slid = { [id]: performance.now() };
    this.change({ [id]: value });
  }

  showControls() {
    const { settings } = this, { round } = this.state;
    const words = this.playing ? ["❚❚", "Pause"] : ["▶", this.over ? "Play again" : "Play"];
    this.find("play").firstElementChild.textContent = words[0];
    this.find("play").lastElementChild.textContent = words[1];
    for (const pace of ["slow", "fast"]) this.find(pace).setAttribute("aria-pressed", this.pace === pace);
    this.find("more").setAttribute("aria-expanded", !this.find("others").hidden);
    this.find("undo").disabled = !this.past.length;
    Object.assign(this.find("round"), { max: Math.max(this.head, Math.ceil((GOAL - settings.f) / settings.b)), value: round });
    this.main.querySelector(".read").textContent = `Round ${round}`;
    for (const id of ["s", "v", "d", "show", "q"]) this.find(id).value = settings[id];
    for (const id of ["t", "p", "n", "seed", "f", "b"]) {
      const input = this.find(id);
      input.value = settings[id];
      input.nextElementSibling.value = settings[id];
    }
    for (const [chip, asked] of this.chips) chip.setAttribute("aria-pressed", asked === JSON.stringify(settings));
    this.main.dataset.round = round;
    this.main.dataset.playing = this.playing;
  }

  // `?controls=` hides all controls, `?controls=play,race` all but those groups: play, race, more, questions.
  hideControls() {
    const kept = new URLSearchParams(location.search).get("controls");
    if (kept === null) return;
    for (const group of this.main.querySelectorAll("[data-group]")) if (!kept.split(",").includes(group.dataset.group)) group.hidden = true;
    if (!kept.split(",").includes("more")) this.find("more").hidden = true;
  }

  copy() {
    history.replaceState(null, "", `#${toAddress(this.state)}`);
    navigator.clipboard?.writeText(location.href).catch(() => {});
    this.say("The link is in the address and, where the browser allows, on the clipboard.");
  }

  // The picture alone, letters larger. Escape leaves it, in the browser's own full screen too.
  fill(on) {
    const root = document.documentElement;
    root.classList.toggle("full", on);
    this.full = on;
    this.find("full").setAttribute("aria-pressed", on);
    this.find("full").textContent = on ? "Leave full screen" : "Full screen";
    if (on) root.requestFullscreen?.().catch(() => {}); // without it the page is filled all the same
    else if (document.fullscreenElement) document.exitFullscreen();
    this.draw();
  }

  // --- the picture ---

  draw() { if (!this.asked) this.asked = requestAnimationFrame(() => { this.asked = 0; this.frame(); }); }

  // One frame of the screen: plays on where it is time, and asks for the next frame while something moves.
  frame() {
    const now = performance.now(), pace = PACE[this.pace];
    if (this.stepping && this.advance()) this.stepping = false;
    if (this.playing && this.seen && now - this.began >= pace) {
      if (this.over) { this.stop(); this.touch(); } else if (!this.advance() && this.stuck()) { this.stop(); this.say(this.stuck()); }
    }
    const share = this.still || this.peek !== null ? 1 : (now - this.began) / Math.min(pace, 700);
    const moving = this.lanes.map((shown, lane) => this.follow(shown, lane, now)).includes(true);
    this.show(share);
    if (this.seen) this.main.dataset.shown = this.state.round; // lets a test wait for a round
    if (share < 1 || moving || (this.playing && this.seen)) this.draw(); // else an answer of the workers asks for a frame
  }

  // Whether both lanes show the present round, so that none is left out.
  get seen() { return this.lanes.every(({ to }, lane) => to && to === this.pictureAt(lane, this.state.round)); }

  // A lane shows its last picture until there is a new one, and moves there in a fifth of a second when a round has passed.
  follow(shown, lane, now) {
    const wanted = this.pictureAt(lane, this.round);
    if (wanted && wanted !== shown.to) {
      const round = shown.round !== this.round && shown.to && this.peek === null && !this.still;
      Object.assign(shown, { from: round ? shown.to : null, to: wanted, since: Math.max(now, round ? this.began + DROP * Math.min(PACE[this.pace], 700) : now), round: this.round });
    }
    shown.share = shown.from ? ease((now - shown.since) / Math.min(MORPH, 0.4 * PACE[this.pace] + 60)) : 1;
    return shown.share < 1;
  }

  // Where the panels stand: beside each other, the maps above the rest, or one under another on a phone.
  layout() {
    const { full } = this, letters = full ? Math.max(1, window.innerWidth / 1200) : 1; // 1.6 on a screen of 1920 pixels
    const width = Math.max(300, this.el.clientWidth) / letters;
    const shape = (PLANE.y[1] - PLANE.y[0]) / (PLANE.x[1] - PLANE.x[0]), map = (w) => (w - 14 - 62) * shape + 48;
    const boxes = (height, parts) => ({ width, height, boxes: parts.map(([x, y, w, h]) => [x / width, y / height, w / width, h / height]) });
    if (full && width >= 820) { // as high as the screen: the terms under the maps, the curve beside both
      const room = (window.innerHeight - this.main.offsetHeight + this.canvas.offsetHeight) / letters - 110;
      const wide = Math.min(0.385 * width, (room - 48) / shape + 76), height = map(wide), left = 2 * wide;
      return boxes(height + 110, [[0, 0, wide, height], [wide, 0, wide, height], [left, 0, width - left, height + 110], [0, height, left, 110]]);
    }
    if (width >= 1000) {
      const wide = 0.34 * width, height = map(wide), left = 2 * wide + 14, right = width - left;
      return boxes(height, [[0, 0, wide, height], [wide, 0, wide, height], [left, 0, right, height - 110], [left, height - 110, right, 110]]);
    }
    if (width >= 560) {
      const wide = width / 2, height = map(wide);
      return boxes(height + 190, [[0, 0, wide, height], [wide, 0, wide, height], [0, height, 0.58 * width, 190], [0.58 * width, height, 0.42 * width, 120]]);
    }
    const height = map(width);
    return boxes(2 * height + 340, [[0, 0, width, height], [0, height, width, height], [0, 2 * height, width, 220], [0, 2 * height + 220, width, 120]]);
  }

  show(share) {
    const { width, height, boxes } = this.layout();
    const place = this.place(), panels = [0, 1].map((lane) => this.mapOf(lane, boxes[lane], share));
    panels.push(this.curve(boxes[2], share), this.bars(boxes[3], place));
    const counts = [0, 1].map((lane) => labels(this.score(lane).count));
    const alt = `Two maps of ${DATA_SETS[this.settings.d].title}: on the left ${TITLES[this.settings.s]} with ${counts[0]}, on the right ${TITLES[this.settings.v]} with ${counts[1]}; beside them accuracy against labels`;
    const busy = this.lanes.some((shown) => !shown.to);
    this.model.set({ scene: { panels, width, height, alt }, status: this.status(place), failed: Boolean(this.failed), busy });
  }

  // The place that is described: the one pointed at, else the first that the left lane, or the right, asks for.
  place() {
    if (this.at && this.lanes[this.at.lane].to) {
      const cell = (value, [low, high], count) => Math.min(count - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * count)));
      const { lane, x, y } = this.at;
      return { lane, x, y, pointed: true, terms: termsAt(this.lanes[lane].to.map, cell(y, PLANE.y, ROWS) * COLUMNS + cell(x, PLANE.x, COLUMNS)) };
    }
    const scored = [0, 1].filter((lane) => !["random", "you"].includes(this.strategies[lane]));
    for (const lane of [...scored, 0, 1]) {
      const picture = this.lanes[lane].to, point = picture?.asked[0];
      if (point !== undefined) return { lane, x: this.data.pool_P_2[2 * point], y: this.data.pool_P_2[2 * point + 1], terms: termsAt(picture.pool, point) };
    }
    return null;
  }

  // What a lane's picture on the screen says: its labels, and how many new points come out right.
  score(lane) {
    const { to, round } = this.lanes[lane];
    return { title: TITLES[this.strategies[lane]], worth: to?.accuracy, count: this.labelledAt(lane, round ?? 0).length };
  }

  get alone() { return this.settings.t === 1; }

  status(place) {
    if (this.told && !place?.pointed) return this.told;
    const [left, right] = [0, 1].map((lane) => this.score(lane)), score = ({ title, worth }) => `${title} ${worth === undefined ? "…" : percent(worth)}`;
    const race = left.count === right.count ? `${labels(left.count)}: ${score(left)}, ${score(right)} of new points right.` : `${score(left)} with ${labels(left.count)}, ${score(right)} with ${right.count}.`;
    if (!place) return `Training the first networks. ${race}`;
    const kind = kindOfPlace(place.terms, this.alone);
    const [total, noise, taught] = written(place.terms);
    if (place.pointed) return `Here ${kind}. Noise ${noise} + what a label teaches ${taught} = all doubt ${total} nats. ${race}`;
    const strategy = this.strategies[place.lane];
    return strategy === "random" ? `Random asks anywhere; here ${kind}. ${race}` : `${TITLES[strategy]} asks where ${kind}. ${race}`;
  }

  // What a map is coloured by: values, their family, and whether they are the same everywhere.
  coloured(lane) {
    const { show } = this.settings, { from, to, share } = this.lanes[lane], strategy = this.strategies[lane];
    if (show !== "score") return { values: mix(from?.map[`${show}_N`], to.map[`${show}_N`], share), family: show === "prob" ? "prob" : "nats" };
    const flat = { values: mix(from?.map.prob_N, to.map.prob_N, share), family: "prob", flat: true };
    if (!to.scores_G) return flat;
    let low = Infinity, high = -Infinity;
    for (const value of to.scores_G) { low = Math.min(low, value); high = Math.max(high, value); }
    return high - low < FLAT ? flat : { values: mix(from?.scores_G, to.scores_G, share), family: FAMILY_OF[strategy] ?? "nats" };
  }

  mapOf(lane, box, share) {
    const { from, to, share: moved } = this.lanes[lane], strategy = this.strategies[lane], { title: name, count, worth } = this.score(lane);
    const title = `${name} · ${labels(count)}${worth === undefined ? "" : ` · ${percent(worth)} right`}`;
    const axes = { x: PLANE.x, y: PLANE.y, title, margins: [14, 36, 62, 12], equal: true };
    if (!to) return panel(box, [text(0.5, 0.25, "training the first networks …")], axes);
    const { values, family, flat } = this.coloured(lane), scale = FAMILIES[family], prob_G = mix(from?.map.prob_N, to.map.prob_N, moved);
    const layers = [{
      kind: "heat", values: Float32Array.from(values, scale.shade), rows: ROWS, columns: COLUMNS, x: PLANE.x, y: PLANE.y, low: scale.low, high: scale.high, label: "",
      table: family === "prob" ? this.classes : this.heat, opacity: flat ? 0.35 : 1, smooth: true, bar: flat ? null : "", bar_ticks: scale.ticks,
    }];
    layers.push(...haloed(prob_G, 0.5, 3), ...this.marks(lane, share));
    if (flat) layers.push(text(0.5, PLANE.y[0] + 0.22, strategy === "you" ? "your turn: click a dot" : "score: the same everywhere"));
    if (this.at) layers.push(points([this.at.x], [this.at.y], { shape: "cross", size: 14, colour: PALETTE.vermillion }));
    return panel(box, layers, axes);
  }

  // Points without a label, with one, asked for next; and what was bought just now: its ring pulses, its label drops in.
  marks(lane, share) {
    const { state: { bought }, round } = this, { pool_P_2, labels_P } = this.data, known = this.labelledAt(lane, round), picture = this.pictureAt(lane, round);
    const fresh = share < DROP && round > 0 ? bought[lane][round - 1] : [], asked = share < DROP ? [] : picture?.asked ?? [], taken = new Set(known);
    const x = (list) => list.map((i) => pool_P_2[2 * i]), y = (list) => list.map((i) => pool_P_2[2 * i + 1]);
    const rest = Array.from({ length: NUM_POOL }, (_, i) => i).filter((i) => !taken.has(i));
    const layers = [points(x(rest), y(rest), { size: 7, ids: rest, names: this.names(lane, rest, picture) })];
    for (const label of [0, 1]) {
      const own = known.filter((i) => labels_P[i] === label && !fresh.includes(i)), style = { shape: label ? "triangle" : "circle", colour: CLASS_COLOURS[label] };
      layers.push(points(x(own), y(own), { ...style, size: 15, ids: own, drag: true, names: own.map((i) => `labelled ${label} at ${this.where(i)}; drag to move`) }));
      const falling = fresh.filter((i) => labels_P[i] === label);
      if (!falling.length || share < PULSE) continue;
      const way = ease((share - PULSE) / (DROP - PULSE)), above = 0.5 * (1 - way);
      layers.push(points(x(falling), y(falling).map((value) => Math.min(PLANE.y[1], value + above)), { ...style, size: 15 + 8 * (1 - way) }));
    }
    if (fresh.length) layers.push(points(x(fresh), y(fresh), { shape: "ring", size: 22 + 14 * Math.sin(Math.PI * Math.min(1, share / PULSE)), colour: PALETTE.vermillion }));
    if (asked.length) layers.push(points(x(asked), y(asked), { shape: "ring", size: asked.length < 6 ? 24 : 18, colour: PALETTE.vermillion }));
    if (asked.length > 1) layers.push(...this.ranks(asked, x(asked), y(asked)));
    return layers;
  }

  // The numbers of a batch, left out where one would lie on an earlier one.
  ranks(asked, x, y) {
    const shown = asked.map((_, rank) => rank).filter((rank) => asked.slice(0, rank).every((_, i) => Math.abs(x[i] - x[rank]) > 0.3 || Math.abs(y[i] - y[rank]) > 0.25));
    return shown.map((rank) => text(x[rank], y[rank], String(rank + 1), { bold: true, colour: PALETTE.vermillion, offset: [15, 13] }));
  }

  where(i) { return [0, 1].map((axis) => minus(this.data.pool_P_2[2 * i + axis].toFixed(1))).join(", "); }

  // What each dot is, with the opinion of the networks; written once for each picture.
  names(lane, points, picture) {
    if (!picture) return points.map((i) => `point at ${this.where(i)}`);
    if (this.lanes[lane].named !== picture) {
      const asked = new Set(picture.asked);
      const words = (i) => `point at ${this.where(i)}${asked.has(i) ? ", asked for next" : ""}: ${kindOfPlace(termsAt(picture.pool, i), this.alone)}`;
      Object.assign(this.lanes[lane], { named: picture, words: Array.from({ length: NUM_POOL }, (_, i) => words(i)) });
    }
    return points.map((i) => this.lanes[lane].words[i]);
  }

  // What is known of the curves: counts and accuracies of each lane, and the band once all of its runs are there.
  curves() {
    const rounds = Array.from({ length: this.head + 1 }, (_, r) => r), at = this.band[0].map((labelled) => labelled.length);
    const known = [0, 1].map((lane) => rounds.map((r) => [this.labelledAt(lane, r).length, this.worthAt(lane, r)]).filter(([, worth]) => worth !== undefined));
    const runs = this.band.map((run) => run.map((labelled) => this.worths.get(this.worthKey(this.task(0, labelled)))));
    const ends = (pick) => at.map((_, i) => pick(...runs.map((run) => run[i])));
    const whole = at.length > 1 && runs.flat().every((worth) => worth !== undefined);
    const most = Math.max(GOAL, ...[0, 1].map((lane) => this.labelledAt(lane, this.head).length));
    return { known, most, band: whole ? { x: at, low: ends(Math.min), high: ends(Math.max) } : null };
  }

  // Accuracy against labels: the band of random runs, then both lanes up to this round, and pale what lies ahead of it.
  curve(box, share) {
    const layers = [], ends = [], { f } = this.settings, { most, band, known: every } = this.once("curve", () => this.curves()), tall = box[3] * this.layout().height - 94;
    if (band) layers.push({ kind: "band", ...band, colour: PALETTE.grey, dash: "dotted", opacity: 0.2, label: "" });
    for (const lane of [1, 0]) {
      const look = lookOf(this.strategies[lane]), twin = lane === 1 && this.strategies[0] === this.strategies[1];
      const known = every[lane], count = this.labelledAt(lane, this.round).length, now = known.filter(([labelled]) => labelled <= count), [x, y] = [0, 1].map((k) => now.map((one) => one[k]));
      const style = { colour: look.colour, dash: twin ? "dashed" : look.dash };
      if (share < 1 && x.length > 1 && x.at(-1) === count) { // the curve grows by a point
        const way = ease((share - DROP) / (1 - DROP));
        for (const row of [x, y]) row[row.length - 1] = row.at(-2) + way * (row.at(-1) - row.at(-2));
      }
      if (known.length > now.length) layers.push(line(known.map((one) => one[0]), known.map((one) => one[1]), { ...style, width: 1.5, opacity: 0.4 }));
      layers.push(line(x, y, { ...style, width: 3 }));
      if (!x.length) continue;
      layers.push(points([x.at(-1)], [y.at(-1)], { shape: look.shape, colour: look.colour, size: 12 }));
      ends.push([look, x.at(-1), y.at(-1)]);
    }
    layers.push(...this.endings(ends, tall));
    const ticks = (values, words) => values.map((value) => [value, words(value)]);
    return panel(box, layers, {
      x: [Math.min(f, 2) - 1, most + 1], y: [0.5, 1.005], title: "New points that come out right", x_label: band ? `labels (grey: ${RANDOM_RUNS} random runs)` : "labels", margins: [54, 36, 88, 58],
      x_ticks: ticks([5, 10, 15, 20, 25, 30, 40, 60, 100, 200].filter((value) => value <= most), String), y_ticks: ticks([0.5, 0.6, 0.7, 0.8, 0.9, 1], (value) => `${Math.round(100 * value)} %`),
    });
  }

  // The lanes' names at the ends of their curves, at least a line of letters apart.
  endings(ends, tall) {
    const apart = (18 * 0.505) / tall, [low, high] = [...ends].sort((a, b) => a[2] - b[2]);
    const move = low && high ? Math.max(0, apart - (high[2] - low[2])) / 2 : 0, top = 1.005 - 0.4 * apart;
    const down = high ? Math.max(0, high[2] + move - top) : 0;
    const style = ({ colour }) => ({ align: "left", bold: true, colour: WORD_COLOURS[colour] ?? colour, offset: [11, 0] });
    return [[low, -move - down], [high, move - down]].filter(([end]) => end).map(([[look, x, y], shift]) => text(x, y + shift, look.title, style(look)));
  }

  bars(box, place) {
    const terms = place?.terms ?? { total: 0, noise: 0, taught: 0 }, words = written(terms), names = ["all doubt", "noise", "a label teaches"];
    const { total, noise, taught } = terms, looks = [[total, "black", ""], [noise, "orange", "/"], [taught, "blue", "\\"]];
    const layers = looks.flatMap(([value, colour, hatch], row) => [
      rect(0, Math.max(0, value), 1.7 - row, 2.3 - row, { colour: PALETTE[colour], hatch }),
      text(value, 2 - row, words[row], { align: "left", offset: [6, 0] }),
    ]);
    const title = place ? `Doubt ${place.pointed ? "here" : `where ${TITLES[this.strategies[place.lane]]} asks`}, in nats` : "Doubt";
    return panel(box, layers, { x: [0, 0.9], y: [-0.5, 2.5], title, margins: [124, 36, 14, 12], y_ticks: names.map((name, row) => [2 - row, name]) });
  }
}

if (typeof document === "undefined") serve();
else {
  const script = document.querySelector("script[type=module]").textContent;
  new Playground(document.querySelector("main"), script.slice(script.indexOf("// What follows is the worker's too.")));
}
