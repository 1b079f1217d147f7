// What the learner does: pointer and keys become events in axis units. Follows canvas.js.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Input {
  constructor(picture) {
    Object.assign(this, { picture, canvas: picture.canvas, model: picture.model, held: null, dragged: null, over: false });
    this.pace = paced((event) => this.model.send(event));
    this.model.on("msg:custom", this.onAnswer = (message) => {
      if (message.answered === true) this.pace.answered();
      if (message.copy) navigator.clipboard?.writeText(message.copy).catch(() => {}); // the text also stands in its field
    });
    for (const [name, act] of Object.entries({
      pointerdown: this.down, pointermove: this.move, pointerup: this.up, pointercancel: this.up, pointerleave: this.leave,
      keydown: this.key, keyup: this.release, focus: this.focus, blur: this.blur,
    })) this.canvas.addEventListener(name, act.bind(this));
  }

  listens(kind) { return this.model.get("listens").includes(kind); }

  panelAt(x, y) { return this.picture.areas.findIndex((area) => inside(area, x, y)); }

  // The mark under the pointer: the nearest centre among those whose surface is hit, or what is around it: at least 24
  // pixels for a mouse, 44 for a finger.
  targetAt(x, y, pointer = "mouse") {
    let best = null, least = Infinity;
    const wide = pointer === "touch" ? 22 : 12;
    for (const target of this.picture.targets) {
      const dx = Math.abs(x - target.x), dy = Math.abs(y - target.y), reach = target.box ? 0 : 8;
      const around = target.box && pointer !== "touch" ? 0 : wide;
      if (dx > Math.max(target.w / 2 + reach, around) || dy > Math.max(target.h / 2 + reach, around)) continue;
      if (Math.hypot(dx, dy) <= least) [best, least] = [target, Math.hypot(dx, dy)];
    }
    return best;
  }

  event(kind, panel, x, y, point, source) {
    const area = this.picture.areas[panel];
    return {
      kind, panel, x: area.fromX(x), y: area.fromY(y), point: point ?? null,
      shift: Boolean(source && source.shiftKey), key: kind === "key" ? source.key : null,
    };
  }

  down(source) {
    const { offsetX: x, offsetY: y } = source, target = this.targetAt(x, y, source.pointerType), panel = target ? target.panel : this.panelAt(x, y);
    this.picture.keyboard = false;
    if (source.button || panel < 0) return;
    this.held = { panel, target, x, y, moved: false };
    if (target && target.drag && this.listens("drag")) this.canvas.setPointerCapture(source.pointerId);
  }

  move(source) {
    const { offsetX: x, offsetY: y } = source, { held } = this;
    if (held) held.moved ||= Math.hypot(x - held.x, y - held.y) > 3;
    if (held && held.target && held.target.drag && this.listens("drag")) {
      if (held.moved) this.pace.offer(this.event("drag", held.panel, ...this.within(held.panel, x, y), held.target.id, source));
      return;
    }
    const target = this.targetAt(x, y), panel = target ? target.panel : this.panelAt(x, y);
    const free = panel >= 0 && this.picture.scene.panels[panel].click_anywhere;
    this.canvas.style.cursor = target ? (target.drag ? "grab" : "pointer") : free && this.listens("click") ? "crosshair" : "default";
    if (!this.listens("hover")) return;
    if (panel >= 0) this.pace.offer(this.event("hover", panel, x, y, target && target.id, source));
    else if (this.over) this.leave();
    this.over = panel >= 0;
  }

  up(source) {
    const { held } = this;
    this.held = null;
    if (!held || source.type === "pointercancel") return;
    const { offsetX: x, offsetY: y } = source, { panel, target } = held;
    if (held.moved && target && target.drag && this.listens("drag")) {
      this.pace.forget();
      this.model.send(this.event("drop", panel, ...this.within(panel, x, y), target.id, source));
    } else if (!held.moved) this.click(panel, held.x, held.y, target, source);
  }

  within(panel, x, y) {
    const area = this.picture.areas[panel];
    return [Math.min(Math.max(x, area.x), area.x + area.w), Math.min(Math.max(y, area.y), area.y + area.h)];
  }

  click(panel, x, y, target, source) {
    this.picture.cursor = { panel, id: target ? target.id : null, ...this.units(panel, x, y) };
    if (!this.listens("click") || !(target || this.picture.scene.panels[panel].click_anywhere)) return;
    this.model.send(this.event("click", panel, x, y, target && target.id, source));
  }

  units(panel, x, y) { const area = this.picture.areas[panel]; return { x: area.fromX(x), y: area.fromY(y) }; }

  leave() {
    if (this.held && this.held.target && this.held.target.drag) return; // a drag goes on outside the picture
    this.held = null;
    if (!this.over) return;
    this.over = false;
    this.pace.offer({ kind: "hover", panel: null, x: null, y: null, point: null, shift: false, key: null });
  }

  focus() { if (this.canvas.matches(":focus-visible")) { this.picture.keyboard = true; this.start(); this.picture.ask(); } }

  blur() { this.picture.keyboard = false; this.picture.ask(); }

  start() {
    if (this.picture.place()) return;
    const { targets, scene, areas } = this.picture, free = scene.panels.findIndex((panel) => panel.click_anywhere);
    const panel = free >= 0 ? free : targets.length ? targets[0].panel : -1;
    if (panel < 0) return;
    const area = areas[panel], middle = this.units(panel, area.x + area.w / 2, area.y + area.h / 2);
    this.picture.cursor = { panel, id: free >= 0 ? null : targets[0].id, ...middle };
  }

  key(source) {
    if (source.ctrlKey || source.metaKey || source.altKey) return;
    const wanted = this.model.get("wanted_keys").includes(source.key);
    if (!wanted && !ARROWS[source.key] && source.key !== "Enter" && source.key !== " ") return;
    source.preventDefault();
    source.stopPropagation();
    const { keyboard } = this.picture;
    this.picture.keyboard = true;
    this.start();
    const place = this.picture.place();
    if (wanted && !source.repeat) {
      const at = place || { panel: 0, x: this.picture.areas[0].x, y: this.picture.areas[0].y, id: null };
      this.model.send(this.event("key", at.panel, at.x, at.y, at.id, source));
    } else if (ARROWS[source.key] && place) this.arrow(ARROWS[source.key], place, source);
    else if (!wanted && place && !source.repeat) {
      const target = place.id === null ? this.targetAt(place.x, place.y) : place;
      this.click(place.panel, place.x, place.y, target, source);
    }
    if (!keyboard || !this.dragged) this.picture.ask(); // the answer to a drag draws, and drawing twice would delay it
  }

  arrow([dx, dy], place, source) {
    const { picture } = this, area = picture.areas[place.panel], free = picture.scene.panels[place.panel].click_anywhere;
    const step = [dx * area.w / 50, dy * area.h / 50];
    const [x, y] = this.within(place.panel, place.x + step[0], place.y + step[1]);
    if (source.shiftKey && place.drag && this.listens("drag")) {
      this.dragged = this.event("drag", place.panel, x, y, place.id, source);
      this.pace.offer(this.dragged);
      return;
    }
    const next = free ? { panel: place.panel, id: null, x, y } : this.neighbour(place, dx, dy);
    if (!next) return;
    picture.cursor = { panel: next.panel, id: next.id, ...this.units(next.panel, next.x, next.y) };
    if (next.name) picture.said.textContent = next.name;
    if (this.listens("hover")) this.pace.offer(this.event("hover", next.panel, next.x, next.y, next.id, source));
  }

  // A drag by keys ends when its arrow is let go, so that the whole way is one step of Undo.
  release(source) {
    if (!this.dragged || !ARROWS[source.key]) return;
    this.pace.forget();
    this.model.send({ ...this.dragged, kind: "drop" });
    this.dragged = null;
  }

  // The nearest mark in the arrow's direction; straying sideways counts double.
  neighbour(place, dx, dy) {
    let best = null, least = Infinity;
    for (const target of this.picture.targets) {
      const ahead = (target.x - place.x) * dx + (target.y - place.y) * dy;
      const aside = Math.abs((target.x - place.x) * dy) + Math.abs((target.y - place.y) * dx);
      if (ahead > 0.5 && ahead + 2 * aside < least) [best, least] = [target, ahead + 2 * aside];
    }
    return best;
  }

  close() { this.model.off("msg:custom", this.onAnswer); }
}

function render({ model, el }) {
  const picture = new Picture(model, el), staging = new Staging(picture), input = new Input(picture), release = claimKeys(el);
  let times = 0; // the controls beside the canvas are built meanwhile, on a busy machine late
  const naming = setInterval(() => { nameControls(el); if (++times > 20) clearInterval(naming); }, 500);
  return () => { clearInterval(naming); release(); input.close(); staging.close(); picture.close(); };
}

export default { render };
