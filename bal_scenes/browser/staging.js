// What stands around the picture: chips with questions, ▶ with its scrubber, the lecture's full screen. Follows canvas.js.

const SPEEDS = [1, 4];

// The sign ⛶, which many fonts do not have.
const CORNERS_SIGN = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1 5V1h4M11 1h4v4M15 11v4h-4M5 15H1v-4"/></svg>';

class Staging {
  constructor(picture) {
    const { model, el } = picture, make = (parent, tag, values) => parent.appendChild(Object.assign(document.createElement(tag), values));
    Object.assign(this, { picture, model, el, playing: false, speed: 0, could: true });
    this.pace = paced((event) => model.send(event), "time");
    this.chips = make(el, "div", { className: "bal-presets" });
    this.chips.setAttribute("role", "group");
    this.chips.setAttribute("aria-label", "Questions to try");
    el.insertBefore(this.chips, picture.canvas);
    this.bar = make(el, "div", { className: "bal-play" });
    el.insertBefore(this.bar, picture.status);
    this.button = make(this.bar, "button", { type: "button", onclick: () => this.toggle() });
    this.scrubber = make(this.bar, "input", { type: "range", className: "bal-scrubber", min: 0, step: 1 });
    this.scrubber.oninput = () => {
      const place = Number(this.scrubber.value); // before the pause shows the present moment again
      this.stop();
      this.go(place);
    };
    this.told = make(this.bar, "output", {});
    this.told.setAttribute("aria-hidden", "true"); // aria-valuetext says it
    this.faster = make(this.bar, "button", { type: "button", onclick: () => { this.speed = 1 - this.speed; this.show(); } });
    this.full = make(el, "button", { type: "button", className: "bal-full", innerHTML: CORNERS_SIGN, onclick: () => this.lecture(!this.lecturing) });
    this.full.setAttribute("aria-label", "Full screen");
    model.on("change:presets change:chosen", this.onPresets = () => this.ask());
    model.on("change:play change:moment", this.onMoment = () => this.reached());
    model.on("change:failed", this.onFailed = () => { if (model.get("failed")) this.stop(); });
    model.on("msg:custom", this.onAnswer = (message) => { if (message.answered === "time") this.pace.answered(); });
    document.addEventListener("fullscreenchange", this.onFull = () => { if (!document.fullscreenElement) this.lecture(false); });
    el.addEventListener("keydown", (event) => this.key(event), true);
    this.ask();
    this.show();
    this.could = this.playable;
  }

  get moment() { return this.model.get("moment") ?? -1; }
  get words() { return this.model.get("play")?.words || []; }
  get playable() { return this.words.length > 1; }
  get lecturing() { return this.el.classList.contains("bal-lecture"); }

  send(kind, point) { return { kind, point, panel: null, x: null, y: null, shift: false, key: null }; }

  // The chips stay where they are while the chosen one changes, so that none loses the focus.
  ask() {
    const questions = this.model.get("presets") || [], { chips } = this;
    if (chips.children.length !== questions.length) {
      chips.replaceChildren(...questions.map((words, i) => Object.assign(document.createElement("button"), {
        type: "button", textContent: words, onclick: () => { this.stop(); this.model.send(this.send("preset", i)); },
      })));
    }
    [...chips.children].forEach((chip, i) => chip.setAttribute("aria-pressed", i === this.model.get("chosen")));
  }

  show() {
    const { words, moment, scrubber, button } = this, { label = "" } = this.model.get("play") || {};
    this.bar.hidden = !this.playable;
    if (!this.playable) return;
    button.textContent = this.playing ? "❚❚" : "▶";
    button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    scrubber.max = words.length - 1;
    scrubber.value = Math.max(0, moment);
    scrubber.setAttribute("aria-label", label);
    scrubber.setAttribute("aria-valuetext", words[moment] ?? "");
    this.told.textContent = `${label} ${words[moment] ?? ""}`;
    this.told.style.minWidth = `${label.length + 1 + Math.max(...words.map((word) => word.length))}ch`;
    this.faster.textContent = `${SPEEDS[this.speed]}×`;
    this.faster.setAttribute("aria-label", `Speed ${SPEEDS[this.speed]}×`);
  }

  toggle() { if (this.playing) this.stop(); else this.start(); }

  start() {
    if (!this.playable) return;
    this.playing = true;
    this.go(this.moment >= this.words.length - 1 ? 0 : this.moment + 1);
    this.show();
  }

  stop() {
    clearTimeout(this.waiting);
    this.playing = false;
    this.show();
  }

  go(place) {
    Object.assign(this, { wanted: place, since: performance.now() });
    this.pace.offer(this.send("moment", place));
  }

  // Only when a moment's picture has come is the next one asked for, after the time that it is to be seen.
  reached() {
    this.show();
    this.begin();
    if (!this.playing || this.moment !== this.wanted) return;
    if (this.moment >= this.words.length - 1) { this.stop(); return; }
    const pause = (1000 * this.model.get("play").seconds) / SPEEDS[this.speed] - (performance.now() - this.since);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.go(this.moment + 1), Math.max(0, pause));
  }

  // Where moments appear, and the first is shown, an explorer may want to play by itself.
  begin() {
    if (this.playable && !this.could && this.model.get("play").auto && this.moment === 0) {
      Object.assign(this, { playing: true, wanted: 0, since: performance.now() });
      this.show();
    }
    this.could = this.playable;
  }

  lecture(on) {
    if (on === this.lecturing) return;
    this.el.classList.toggle("bal-lecture", on);
    if (on) {
      this.el.requestFullscreen?.().catch(() => {}); // where it is forbidden, the picture still fills the window
      (this.playable ? this.scrubber : this.picture.canvas).focus();
    } else if (document.fullscreenElement === this.el) document.exitFullscreen();
    this.picture.rest();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const plays = event.key === " " && this.playable && event.target.tagName !== "BUTTON";
    if (!plays && !(event.key === "Escape" && this.lecturing)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!plays) this.lecture(false);
    else if (!event.repeat) this.toggle();
  }

  close() {
    this.stop();
    document.removeEventListener("fullscreenchange", this.onFull);
    this.model.off("change:presets change:chosen", this.onPresets);
    this.model.off("change:play change:moment", this.onMoment);
    this.model.off("change:failed", this.onFailed);
    this.model.off("msg:custom", this.onAnswer);
  }
}
