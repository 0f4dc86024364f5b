// Vector drawing: the curves on the page, and the whole case as one figure for a paper. Text is set as text, never as markup.

const SIZES = 20;

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const label = (x, y, text, more = {}) => svg("text", { x, y, "font-size": 11, fill: "currentColor", ...more }, text);
const step = (top) => [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((s) => top / s <= 5) || 1;
const decimals = (value) => (value >= 0.1 ? 1 : value >= 0.01 ? 2 : value >= 0.001 ? 3 : 4);

// A chart over n = 1..20: axes with titles, `marks(x, y)` for its content, a vertical line that `at(n)` moves.
function chart({ title, help = "", axis, top, marks }) {
  const [width, height, left, right, above, below] = [300, 200, 52, 6, 26, 36];
  const x = (n) => left + ((n - 0.5) / SIZES) * (width - left - right);
  const y = (value) => height - below - (value / top) * (height - above - below);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title, "font-family": "sans-serif" });
  root.append(label(0, 13, title, { "font-size": 13, "font-weight": 600 }));
  for (let i = 0; i * step(top) <= top * 1.0001; i++) {
    const value = i * step(top);
    root.append(svg("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), stroke: "currentColor", "stroke-opacity": 0.15 }));
    root.append(label(left - 6, y(value) + 4, value.toFixed(decimals(step(top))), { "text-anchor": "end" }));
  }
  for (const n of [1, 5, 10, 15, 20]) root.append(label(x(n), height - below + 15, n, { "text-anchor": "middle" }));
  root.append(label((left + width - right) / 2, height - 4, "Explanation size n", { "text-anchor": "middle" }));
  root.append(label(0, 0, axis, { transform: `translate(11 ${(height + above - below) / 2}) rotate(-90)`, "text-anchor": "middle" }));
  const marker = svg("line", { y1: above, y2: height - below, stroke: "currentColor", "stroke-dasharray": "4 3", "stroke-opacity": 0.7 });
  const content = svg("g", {});
  root.append(marker, content);
  return {
    root,
    help,
    sizeAt: (share) => Math.round(((share * width - left) / (width - left - right)) * SIZES + 0.5),
    at(n) {
      marker.setAttribute("x1", x(n));
      marker.setAttribute("x2", x(n));
      content.replaceChildren(...marks(x, y, n));
    },
  };
}

function curves(header, measure) {
  const known = header.explainers.filter((e) => e[measure]);
  const [title, help] = header.measures[measure];
  return chart({
    title,
    help,
    axis: title,
    top: measure === "hamming" ? 1 : Math.min(1, Math.max(0.1, ...known.flatMap((e) => e[measure])) * 1.08),
    marks: (x, y, n) =>
      known.flatMap((e) => [
        svg("polyline", {
          points: e[measure].map((v, i) => `${x(i + 1).toFixed(2)},${y(v).toFixed(2)}`).join(" "),
          fill: "none", stroke: e.colour, "stroke-width": 2, "stroke-dasharray": e.baseline ? "5 4" : "none",
        }),
        svg("circle", { cx: x(n), cy: y(e[measure][n - 1]), r: 4, fill: e.colour }),
      ]),
  });
}

function weights(explainer) {
  return chart({
    title: `${explainer.label}: ${explainer.note}`,
    help: "How much each superpixel speaks for the target in the linear surrogate; R² says how well that fits the network.",
    axis: "Weight of superpixel n",
    top: Math.max(...explainer.weights, 1e-4) * 1.08,
    marks: (x, y, n) =>
      explainer.weights.map((w, i) =>
        svg("rect", {
          x: x(i + 1) - 4.5, y: y(Math.max(w, 0)), width: 9, height: y(0) - y(Math.max(w, 0)),
          fill: explainer.colour, "fill-opacity": i < n ? 1 : 0.3,
        }),
      ),
  });
}

// All panels and charts of a viewer as one SVG document, dark on white. Texts are the captions as shown at this n.
function figure(panels, charts, title, legend) {
  const [cell, gap, line] = [240, 16, 15];
  const rows = [0, 1].map((row) => panels.filter((p) => p.row === row));
  const columns = Math.min(6, Math.max(4, ...rows.map((row) => row.length)));
  const shown = rows.flatMap((row) => row.flatMap((_, i) => (i % columns ? [] : [row.slice(i, i + columns)])));
  const width = columns * (cell + gap) + gap;
  const lines = Math.max(...panels.map((p) => p.lines().length));
  const high = cell + lines * line + gap + 6;
  const chartWidth = (width - gap * (charts.length + 1)) / charts.length;
  const chartHigh = Math.min(chartWidth, 420) * (200 / 300);
  const height = 58 + shown.length * high + chartHigh + gap;
  const root = svg("svg", {
    xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, color: "#1d1d26", "font-family": "sans-serif",
  });
  root.append(svg("rect", { width, height, fill: "#ffffff" }), label(gap, 24, title, { "font-size": 15, "font-weight": 600 }));
  let along = gap;
  for (const [text, colour] of legend) {
    root.append(svg("rect", { x: along, y: 34, width: 11, height: 11, fill: colour, stroke: "#00000066" }), label(along + 16, 44, text));
    along += 30 + text.length * 6.2;
  }
  shown.forEach((some, row) => {
    some.forEach((panel, i) => {
      const [x, y] = [gap + i * (cell + gap), 58 + row * high];
      root.append(svg("image", { x, y, width: cell, height: cell, href: panel.canvas.toDataURL("image/png"), style: "image-rendering:pixelated" }));
      if (panel.colour) root.append(svg("circle", { cx: x + 5, cy: y + cell + 11, r: 5, fill: panel.colour }));
      panel.lines().forEach((text, k) =>
        root.append(label(x + (panel.colour && !k ? 15 : 0), y + cell + (k + 1) * line, text, k ? { "fill-opacity": 0.85, "font-size": 10.5 } : { "font-weight": 600 })));
    });
  });
  charts.forEach((chart, i) => {
    const copy = chart.root.cloneNode(true);
    const wide = Math.min(chartWidth, 420);
    for (const [name, value] of Object.entries({ x: gap + i * (chartWidth + gap), y: 58 + shown.length * high, width: wide, height: chartHigh })) copy.setAttribute(name, value);
    root.append(copy);
  });
  return { text: new XMLSerializer().serializeToString(root), width, height };
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function savePng({ text, width, height }, name) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * 2, height: height * 2 });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => save(blob, name), "image/png");
}
