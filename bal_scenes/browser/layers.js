// Draws the layers of a panel on a 2-D context. Nothing is kept between calls: the same layer, the same picture.
// `unit` is 1 at the scene's own width and grows in a wider cell; text never becomes smaller than in the scene.

const INK = "#222222", SOFT = "#555555", FRAME = "#8a8a8a", PAPER = "#ffffff";
const FONT = 'system-ui, "DejaVu Sans", sans-serif';
const DASHES = { solid: [], dashed: [8, 5], dotted: [2, 4] };
const HALO = "rgba(255,255,255,0.88)";

function font(context, size, unit, bold = false) {
  context.font = `${bold ? "600 " : ""}${size * unit}px ${FONT}`;
}

// The plotted area of a panel, in pixels, and the maps between pixels and axis units.
function areaOf(panel, width, height, unit) {
  const [left, above, right, below] = panel.margins.map((margin) => margin * unit);
  const box = { x: panel.box[0] * width, y: panel.box[1] * height, w: panel.box[2] * width, h: panel.box[3] * height };
  const area = { x: box.x + left, y: box.y + above, w: Math.max(8, box.w - left - right), h: Math.max(8, box.h - above - below) };
  const [x0, x1] = panel.x, [y0, y1] = panel.y;
  if (panel.equal) {
    const scale = Math.min(area.w / Math.abs(x1 - x0), area.h / Math.abs(y1 - y0));
    const w = scale * Math.abs(x1 - x0), h = scale * Math.abs(y1 - y0);
    Object.assign(area, { x: area.x + (area.w - w) / 2, y: area.y + (area.h - h) / 2, w, h });
  }
  return {
    ...area, box,
    toX: (v) => area.x + ((v - x0) / (x1 - x0)) * area.w,
    toY: (v) => area.y + area.h - ((v - y0) / (y1 - y0)) * area.h,
    fromX: (px) => x0 + ((px - area.x) / area.w) * (x1 - x0),
    fromY: (py) => y0 + ((area.y + area.h - py) / area.h) * (y1 - y0),
  };
}

function bitmap(columns, rows, fill) {
  const canvas = new OffscreenCanvas(columns, rows), context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  fill(pixels.data);
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function drawHeat(context, layer, area) {
  const { rows, columns, values, table, low, high } = layer;
  const picture = bitmap(columns, rows, (data) => {
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(values[i])) continue;
      const shade = Math.round(255 * Math.min(1, Math.max(0, (values[i] - low) / (high - low)))) * 3;
      // row 0 lies at the bottom of the panel and at the top of a bitmap
      const at = 4 * ((rows - 1 - Math.floor(i / columns)) * columns + (i % columns));
      data[at] = table[shade]; data[at + 1] = table[shade + 1]; data[at + 2] = table[shade + 2]; data[at + 3] = 255;
    }
  });
  context.globalAlpha = layer.opacity;
  context.imageSmoothingEnabled = layer.smooth;
  const x = area.toX(layer.x[0]), y = area.toY(layer.y[1]);
  context.drawImage(picture, x, y, area.toX(layer.x[1]) - x, area.toY(layer.y[0]) - y);
}

function drawImages(context, layer, area) {
  const { rows, columns, pixels } = layer, size = rows * columns;
  const w = Math.abs(area.toX(layer.width) - area.toX(0)), h = Math.abs(area.toY(layer.height) - area.toY(0));
  context.imageSmoothingEnabled = false;
  for (let n = 0; n < layer.x.length; n++) {
    const picture = bitmap(columns, rows, (data) => {
      for (let i = 0; i < size; i++) data.fill(pixels[n * size + i], 4 * i, 4 * i + 3), (data[4 * i + 3] = 255);
    });
    context.globalAlpha = layer.opacity[n];
    context.drawImage(picture, area.toX(layer.x[n]) - w / 2, area.toY(layer.y[n]) - h / 2, w, h);
  }
}

function trace(context, layer, area) {
  context.beginPath();
  let open = false;
  for (let i = 0; i < layer.x.length; i++) {
    const x = area.toX(layer.x[i]), y = area.toY(layer.y[i]);
    if (!Number.isFinite(x) || !Number.isFinite(y)) open = false;
    else if (open) context.lineTo(x, y);
    else { context.moveTo(x, y); open = true; }
  }
}

function drawLine(context, layer, area, unit) {
  context.globalAlpha = layer.opacity;
  context.strokeStyle = layer.colour;
  context.lineWidth = layer.width * unit;
  context.lineJoin = "round";
  context.setLineDash(DASHES[layer.dash].map((length) => length * unit));
  if (layer.opacity === 1) {
    trace(context, layer, area);
    if (layer.halo) haloed(context, unit);
    context.stroke();
    return;
  }
  // the lines of a translucent bundle are stroked one by one, so that they darken where they meet
  for (const [from, to] of pieces(layer)) {
    trace(context, { x: layer.x.subarray(from, to), y: layer.y.subarray(from, to) }, area);
    context.stroke();
  }
}

// A white rim under the line that is about to be stroked, so that it shows on every map.
function haloed(context, unit) {
  context.save();
  context.setLineDash([]);
  context.strokeStyle = PAPER; context.lineWidth += 3 * unit; context.stroke();
  context.restore();
}

function pieces(layer) {
  const found = [];
  for (let from = 0, i = 0; i <= layer.y.length; i++) {
    if (i < layer.y.length && !Number.isNaN(layer.y[i])) continue;
    if (i > from) found.push([from, i]);
    from = i + 1;
  }
  return found;
}

function drawBand(context, layer, area, unit) {
  context.globalAlpha = layer.opacity;
  context.fillStyle = layer.colour;
  context.beginPath();
  const last = layer.x.length - 1;
  for (let i = 0; i <= last; i++) context.lineTo(area.toX(layer.x[i]), area.toY(layer.high[i]));
  for (let i = last; i >= 0; i--) context.lineTo(area.toX(layer.x[i]), area.toY(layer.low[i]));
  context.fill();
  // an area is too pale to be seen by all, its edges are not
  Object.assign(context, { globalAlpha: 1, strokeStyle: layer.colour, lineWidth: unit });
  context.setLineDash(DASHES[layer.dash].map((length) => length * unit));
  for (const y of [layer.low, layer.high]) { trace(context, { x: layer.x, y }, area); context.stroke(); }
}

// Corners of each mark on a circle of radius 1, y upwards; discs and rings are arcs.
const CORNERS = {
  triangle: [[0, 1.15], [1, -0.7], [-1, -0.7]],
  down: [[0, -1.15], [1, 0.7], [-1, 0.7]],
  square: [[-0.88, 0.88], [0.88, 0.88], [0.88, -0.88], [-0.88, -0.88]],
  diamond: [[0, 1.2], [1.2, 0], [0, -1.2], [-1.2, 0]],
  plus: [[-0.36, 1.05], [0.36, 1.05], [0.36, 0.36], [1.05, 0.36], [1.05, -0.36], [0.36, -0.36], [0.36, -1.05],
         [-0.36, -1.05], [-0.36, -0.36], [-1.05, -0.36], [-1.05, 0.36], [-0.36, 0.36]],
  star: Array.from({ length: 10 }, (_, i) => {
    const r = i % 2 ? 0.5 : 1.25, angle = (Math.PI * i) / 5;
    return [r * Math.sin(angle), r * Math.cos(angle)];
  }),
};

function mark(context, shape, x, y, r) {
  context.beginPath();
  if (shape === "circle" || shape === "ring") context.arc(x, y, r, 0, 2 * Math.PI);
  else if (shape === "cross") {
    context.moveTo(x - r, y - r); context.lineTo(x + r, y + r);
    context.moveTo(x - r, y + r); context.lineTo(x + r, y - r);
  } else {
    for (const [dx, dy] of CORNERS[shape]) context.lineTo(x + r * dx, y - r * dy);
    context.closePath();
  }
}

function drawMark(context, layer, x, y, unit) {
  const r = (layer.size / 2) * unit, open = layer.shape === "ring" || layer.shape === "cross";
  mark(context, layer.shape, x, y, r);
  context.setLineDash([]);
  context.lineJoin = "round";
  if (layer.filled && !open) {
    // a white rim keeps marks apart from each other and from a dark map
    context.strokeStyle = PAPER; context.lineWidth = 3 * unit; context.stroke();
    context.fillStyle = layer.colour; context.fill();
    return;
  }
  context.strokeStyle = PAPER; context.lineWidth = (open ? 7 : 3.5) * unit; context.stroke();
  if (!open) { context.fillStyle = PAPER; context.fill(); }
  context.strokeStyle = layer.colour; context.lineWidth = (open ? 3 : 2) * unit; context.stroke();
}

function inside(area, x, y) {
  return x > area.x - 1 && x < area.x + area.w + 1 && y > area.y - 1 && y < area.y + area.h + 1;
}

// `grown` is how much larger a mark is drawn while it is new.
function drawPoints(context, layer, area, unit, grown = () => 1) {
  context.globalAlpha = layer.opacity;
  const style = { size: 14, align: "center", bold: true, halo: true, colour: layer.colour };
  for (let i = 0; i < layer.x.length; i++) {
    const x = area.toX(layer.x[i]), y = area.toY(layer.y[i]);
    if (inside(area, x, y)) drawMark(context, { ...layer, size: layer.size * grown(layer, i) }, x, y, unit);
  }
  (layer.offsets || []).forEach(([right, down], i) => { // after all marks, so that none hides a label
    const x = area.toX(layer.x[i]), y = area.toY(layer.y[i]);
    if (inside(area, x, y)) write(context, layer.labels[i], x + right * unit, y + down * unit, style, unit);
  });
}

function write(context, words, x, y, style, unit) {
  font(context, style.size, unit, style.bold);
  context.textAlign = style.align; context.textBaseline = "middle";
  context.setLineDash([]);
  if (style.halo) {
    context.strokeStyle = HALO; context.lineWidth = 4 * unit; context.lineJoin = "round";
    context.strokeText(words, x, y);
  }
  context.fillStyle = style.colour;
  context.fillText(words, x, y);
}

function drawText(context, layer, area, unit) {
  const [right, up] = layer.offset.map((pixels) => pixels * unit);
  layer.words.forEach((words, i) => write(context, words, area.toX(layer.x[i]) + right, area.toY(layer.y[i]) - up, layer, unit));
}

function hatching(context, kind, x, y, w, h, unit) {
  const step = 9 * unit;
  context.save();
  context.beginPath(); context.rect(x, y, w, h); context.clip();
  context.strokeStyle = PAPER; context.fillStyle = PAPER; context.lineWidth = 1.5 * unit; context.setLineDash([]);
  context.beginPath();
  for (let at = -h; at < w; at += step) {
    if (kind === "/" || kind === "x") { context.moveTo(x + at, y + h); context.lineTo(x + at + h, y); }
    if (kind === "\\" || kind === "x") { context.moveTo(x + at, y); context.lineTo(x + at + h, y + h); }
  }
  context.stroke();
  for (let px = step / 2; kind === "." && px < w; px += step)
    for (let py = step / 2; py < h; py += step) context.fillRect(x + px, y + py, 2.5 * unit, 2.5 * unit);
  context.restore();
}

function swatch(context, layer, x, y, w, h, unit) {
  context.globalAlpha = layer.opacity;
  context.fillStyle = layer.colour;
  context.fillRect(x, y, w, h);
  if (layer.opacity < 0.5) {
    Object.assign(context, { globalAlpha: 1, strokeStyle: layer.colour, lineWidth: unit });
    context.setLineDash(DASHES[layer.dash || "solid"].map((length) => length * unit));
    context.strokeRect(x, y, w, h);
  }
  if (layer.hatch) hatching(context, layer.hatch, x, y, w, h, unit);
}

function drawRects(context, layer, area, unit) {
  for (let i = 0; i < layer.x0.length; i++) {
    const [x0, x1] = [area.toX(layer.x0[i]), area.toX(layer.x1[i])].sort((a, b) => a - b);
    const [y0, y1] = [area.toY(layer.y0[i]), area.toY(layer.y1[i])].sort((a, b) => a - b);
    swatch(context, layer, x0, y0, x1 - x0, y1 - y0, unit);
  }
}

const DRAW = {
  heat: drawHeat, images: drawImages, line: drawLine, band: drawBand, points: drawPoints, text: drawText, rects: drawRects,
};
