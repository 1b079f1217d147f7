// Draws a whole scene: paper, panels, axes, legends. Follows layers.js, whose functions it uses.

function drawBar(context, layer, area, unit) {
  const x = area.x + area.w + 12 * unit, w = 14 * unit, { table } = layer;
  const strip = bitmap(1, 256, (data) => {
    for (let i = 0; i < 256; i++) data.set([...table.slice(3 * i, 3 * i + 3), 255], 4 * (255 - i));
  });
  context.drawImage(strip, x, area.y, w, area.h);
  context.strokeStyle = FRAME; context.lineWidth = 1;
  context.strokeRect(x + 0.5, area.y + 0.5, w - 1, area.h - 1);
  font(context, 14, unit);
  context.fillStyle = SOFT; context.textAlign = "left"; context.textBaseline = "middle";
  let widest = 0;
  for (const [value, words] of layer.bar_ticks) {
    const y = area.y + area.h * (1 - (value - layer.low) / (layer.high - layer.low));
    context.fillText(words, x + w + 6 * unit, y);
    widest = Math.max(widest, context.measureText(words).width);
  }
  sideways(context, layer.bar, x + w + 20 * unit + widest, area, unit);
}

function sideways(context, words, x, area, unit) {
  context.save();
  context.translate(x, area.y + area.h / 2);
  context.rotate(-Math.PI / 2);
  font(context, 14, unit);
  context.fillStyle = INK; context.textAlign = "center"; context.textBaseline = "middle";
  context.fillText(words, 0, 0, area.box.h);
  context.restore();
}


// Leaves out every second text, again and again, until none touches its neighbour.
function thinned(context, ticks, place, room) {
  for (let step = 1; ; step *= 2) {
    const kept = ticks.filter((_, i) => i % step === 0);
    const touch = kept.some(([value], i) => i && Math.abs(place(value) - place(kept[i - 1][0])) < room(kept[i - 1][1], kept[i][1]));
    if (!touch || kept.length < 2) return kept;
  }
}

function drawTicks(context, panel, area, unit) {
  font(context, 14, unit);
  context.strokeStyle = FRAME; context.fillStyle = SOFT; context.lineWidth = 1;
  const half = (words) => context.measureText(words).width / 2, bottom = area.y + area.h;
  context.textAlign = "center"; context.textBaseline = "top";
  context.beginPath();
  for (const [value, words] of thinned(context, panel.x_ticks, area.toX, (a, b) => half(a) + half(b) + 8 * unit)) {
    const x = Math.round(area.toX(value)) + 0.5;
    context.moveTo(x, bottom); context.lineTo(x, bottom + 5 * unit);
    context.fillText(words, x, bottom + 8 * unit);
  }
  context.textAlign = "right"; context.textBaseline = "middle";
  for (const [value, words] of thinned(context, panel.y_ticks, area.toY, () => 18 * unit)) {
    const y = Math.round(area.toY(value)) + 0.5;
    context.moveTo(area.x - 5 * unit, y); context.lineTo(area.x, y);
    context.fillText(words, area.x - 8 * unit, y);
  }
  context.stroke();
}

function drawAxes(context, panel, area, unit) {
  const framed = panel.x_ticks.length || panel.y_ticks.length || panel.x_label || panel.y_label;
  context.setLineDash([]); context.globalAlpha = 1;
  if (framed) {
    context.strokeStyle = FRAME; context.lineWidth = 1;
    context.strokeRect(Math.round(area.x) - 0.5, Math.round(area.y) - 0.5, Math.round(area.w) + 1, Math.round(area.h) + 1);
    drawTicks(context, panel, area, unit);
  }
  font(context, 14, unit);
  context.fillStyle = INK; context.textAlign = "center"; context.textBaseline = "alphabetic";
  const below = area.y + area.h + (panel.x_ticks.length ? 44 : 20) * unit;
  context.fillText(panel.x_label, area.x + area.w / 2, below, area.box.w);
  sideways(context, panel.y_label, area.x - (panel.margins[0] - 20) * unit, area, unit);
  font(context, 15, unit, true);
  context.textAlign = "left";
  // a title that is wider than its axes begins further left; only one that is wider than its panel is squeezed
  const width = context.measureText(panel.title).width, end = area.box.x + area.box.w - 4;
  const left = Math.max(area.box.x + 4, Math.min(area.x, end - width));
  context.fillText(panel.title, left, area.y - 12 * unit, end - left);
}

function drawSample(context, layer, x, y, w, unit) {
  if (layer.kind === "points") drawMark(context, { ...layer, size: Math.min(layer.size, 14) }, x + w / 2, y, unit);
  else if (layer.kind === "line") {
    const line = { ...layer, x: [x, x + w], y: [y, y], opacity: Math.max(layer.opacity, 0.6) };
    context.globalAlpha = line.opacity;
    context.strokeStyle = line.colour; context.lineWidth = line.width * unit;
    context.setLineDash(DASHES[line.dash].map((length) => length * unit));
    context.beginPath(); context.moveTo(x, y); context.lineTo(x + w, y); context.stroke();
  } else swatch(context, { opacity: 1, ...layer }, x, y - 7 * unit, w, 14 * unit, unit);
  context.setLineDash([]); context.globalAlpha = 1;
}

function drawLegend(context, panel, area, unit) {
  const entries = panel.layers.filter((layer) => layer.label);
  if (!panel.legend || !entries.length) return;
  font(context, 14, unit);
  const row = 22 * unit, sample = 26 * unit, pad = 8 * unit;
  const w = sample + 3 * pad + Math.max(...entries.map((layer) => context.measureText(layer.label).width));
  const h = entries.length * row + pad;
  const x = panel.legend.endsWith("right") ? area.x + area.w - w - pad : area.x + pad;
  const y = panel.legend.startsWith("top") ? area.y + pad : Math.max(area.y, area.y + area.h - h - pad);
  context.globalAlpha = 0.9; context.fillStyle = PAPER;
  context.beginPath(); context.roundRect(x, y, w, h, 5 * unit); context.fill();
  entries.forEach((layer, i) => {
    const middle = y + pad / 2 + row * (i + 0.5);
    drawSample(context, layer, x + pad, middle, sample, unit);
    font(context, 14, unit);
    context.fillStyle = INK; context.textAlign = "left"; context.textBaseline = "middle";
    context.fillText(layer.label, x + 2 * pad + sample, middle);
  });
}

// Draws the scene and returns the area of every panel. `unit` is the size of its letters, `grown` that of new marks.
function drawScene(context, scene, width, height, { unit = Math.max(1, width / scene.width), grown } = {}) {
  context.globalAlpha = 1; context.fillStyle = PAPER;
  context.fillRect(0, 0, width, height);
  return scene.panels.map((panel) => {
    const area = areaOf(panel, width, height, unit);
    for (const layer of panel.layers) {
      context.save();
      if (layer.kind !== "text" && layer.kind !== "points") { // marks and words on the edge are drawn whole
        context.beginPath(); context.rect(area.x, area.y, area.w, area.h); context.clip();
      }
      DRAW[layer.kind](context, layer, area, unit, grown);
      context.restore();
      if (layer.kind === "heat" && layer.bar !== null && !layer.flat) drawBar(context, layer, area, unit);
    }
    drawAxes(context, panel, area, unit);
    drawLegend(context, panel, area, unit);
    return area;
  });
}
